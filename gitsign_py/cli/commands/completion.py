"""``gitsign-py completion bash|zsh|fish``: print a script that completes the command line.

The scripts are static: completing starts git for revisions, and nothing else.
"""

import argparse
import shlex
from collections.abc import Iterable, Iterator

from gitsign_py.cli.grammar import Node, Option, Value, nodes
from gitsign_py.cli.helptext import HelpFormatter

_PROGRAM = "gitsign-py"
_REFS = "git for-each-ref --format='%(refname:short)' 2>/dev/null"
_EPILOG = """\
examples:
  bash:  gitsign-py completion bash > ~/.local/share/bash-completion/completions/gitsign-py
  zsh:   gitsign-py completion zsh > ~/.zfunc/_gitsign-py        (with fpath+=(~/.zfunc) before compinit)
  fish:  gitsign-py completion fish > ~/.config/fish/completions/gitsign-py.fish
"""


def run(arguments: list[str]) -> int:
    """Run ``gitsign-py completion``."""
    write = {"bash": bash, "zsh": zsh, "fish": fish}[_parser().parse_args(arguments).shell]
    print(write(tuple(nodes())), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gitsign-py completion",
        description="Print a script that completes commands, options, their values and revisions.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="for which shell")
    return parser


def _top(all_nodes: Iterable[Node]) -> list[tuple[str, str]]:
    return [(node.path[0], node.about) for node in all_nodes if len(node.path) == 1]


def _after(all_nodes: Iterable[Node]) -> Iterator[tuple[str, Value]]:
    """Each ``command option`` that takes a value."""
    for node in all_nodes:
        for option in node.options:
            for name in option.names:
                if option.value.kind != "none":
                    yield f"{' '.join(node.path)} {name}", option.value


# --- bash ------------------------------------------------------------------------------------------------------------


def bash(all_nodes: tuple[Node, ...]) -> str:
    """The script for bash 3.2 and newer, with or without the package bash-completion."""
    actions = {
        "file": 'COMPREPLY=($(compgen -f -- "$cur"))',
        "directory": 'COMPREPLY=($(compgen -d -- "$cur"))',
        "revision": f'COMPREPLY=($(compgen -W "$({_REFS})" -- "$cur"))',
        "text": ":",
        "none": ":",
    }

    def action(value: Value) -> str:
        words = shlex.quote(" ".join(value.words))
        return f'COMPREPLY=($(compgen -W {words} -- "$cur"))' if value.kind == "words" else actions[value.kind]

    lines = [
        f"# bash completion for {_PROGRAM}; made by: {_PROGRAM} completion bash",
        "_gitsign_py() {",
        '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="" node="" i',
        '  (( COMP_CWORD > 0 )) && prev="${COMP_WORDS[COMP_CWORD-1]}"',
        "  COMPREPLY=()",
        "  # --option=value arrives as three words",
        '  if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        "  for ((i = 1; i < COMP_CWORD; i++)); do",
        '    case "$node ${COMP_WORDS[i]}" in',
        *_descent(all_nodes),
        "    esac",
        "  done",
        '  case "$node $prev" in',
        *(f"    {shlex.quote(typed)}) {action(value)}; return ;;" for typed, value in _after(all_nodes)),
        "  esac",
        '  case "$node" in',
        f'    "") COMPREPLY=($(compgen -W {shlex.quote(" ".join(name for name, _ in _top(all_nodes)))} -- "$cur")) ;;',
    ]
    for node in all_nodes:
        names = shlex.quote(" ".join(name for option in node.options for name in option.names))
        words = Value("words", tuple(name for name, _ in node.children)) if node.children else node.operands
        lines += [
            f"    {shlex.quote(' '.join(node.path))})",
            f'      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W {names} -- "$cur"))',
            f"      else {action(words)}; fi ;;",
        ]
    return "\n".join([*lines, "  esac", "}", f"complete -o filenames -F _gitsign_py {_PROGRAM}", ""])


def _descent(all_nodes: Iterable[Node]) -> Iterator[str]:
    """Shell cases that follow the typed words down to a command or subcommand."""
    for node in all_nodes:
        typed = f"{' '.join(node.path[:-1])} {node.path[-1]}"
        yield f"      {shlex.quote(typed)}) node={shlex.quote(' '.join(node.path))} ;;"


# --- zsh -------------------------------------------------------------------------------------------------------------


def zsh(all_nodes: tuple[Node, ...]) -> str:
    """The script for zsh, to be put into fpath or sourced."""
    actions = {
        "file": "_files",
        "directory": "_files -/",
        "revision": f'compadd -- ${{(f)"$({_REFS})"}}',
        "text": "_message value",
        "none": "_message 'nothing more'",
    }

    def action(value: Value) -> str:
        return f"compadd -- {shlex.join(value.words)}" if value.kind == "words" else actions[value.kind]

    lines = [
        f"#compdef {_PROGRAM}",
        f"# zsh completion for {_PROGRAM}; made by: {_PROGRAM} completion zsh",
        "_gitsign_py() {",
        '  local node="" i',
        "  for ((i = 2; i < CURRENT; i++)); do",
        '    case "$node $words[i]" in',
        *_descent(all_nodes),
        "    esac",
        "  done",
        '  case "$node $words[CURRENT-1]" in',
        *(f"    {shlex.quote(typed)}) {action(value)}; return ;;" for typed, value in _after(all_nodes)),
        "  esac",
        "  local -a offered",
        '  case "$node" in',
        f'    "") offered=({_described(_top(all_nodes))}); _describe command offered ;;',
    ]
    for node in all_nodes:
        described = _described((name, option.about) for option in node.options for name in option.names)
        words = f"offered=({_described(node.children)}); _describe command offered" if node.children else ""
        lines += [
            f"    {shlex.quote(' '.join(node.path))})",
            f"      if [[ $PREFIX == -* ]]; then offered=({described}); _describe option offered",
            f"      else {words or action(node.operands)}; fi ;;",
        ]
    ending = 'if [[ $funcstack[1] == _gitsign-py ]]; then _gitsign_py "$@"; else compdef _gitsign_py gitsign-py; fi'
    return "\n".join([*lines, "  esac", "}", ending, ""])


def _described(pairs: Iterable[tuple[str, str]]) -> str:
    """Words for ``_describe``: name, colon, description; a colon in a name would end it."""
    return " ".join(shlex.quote(f"{name}:{about}" if about else name) for name, about in pairs)


# --- fish ------------------------------------------------------------------------------------------------------------


def fish(all_nodes: tuple[Node, ...]) -> str:
    """The script for fish."""
    lines = [
        f"# fish completion for {_PROGRAM}; made by: {_PROGRAM} completion fish",
        "function __gitsign_py_words",
        "    for word in (commandline -opc)[2..-1]",
        "        string match -q -- '-*' $word; or echo $word",
        "    end",
        "end",
        "function __gitsign_py_at",
        "    set -l words (__gitsign_py_words)",
        '    test "$words" = "$argv"',
        "end",
        "function __gitsign_py_under",
        "    set -l words (__gitsign_py_words)",
        '    string match -q -- "$argv *" "$words "',
        "end",
        f"complete -c {_PROGRAM} -f",
    ]
    for name, about in _top(all_nodes):
        lines.append(f"complete -c {_PROGRAM} -n __fish_use_subcommand -a {_fish(name)} -d {_fish(about)}")
    for node in all_nodes:
        where = "__gitsign_py_at" if node.children else "__gitsign_py_under"
        under = _fish(f"{where} {' '.join(node.path)}")
        condition = f"complete -c {_PROGRAM} -n {under}"
        for name, about in node.children:
            lines.append(f"{condition} -a {_fish(name)} -d {_fish(about)}")
        if not node.children and (offer := _fish_value(node.operands)):
            lines.append(f"{condition} {offer}")
        lines += [f"{condition} {_fish_option(option)}" for option in node.options]
    return "\n".join([*lines, ""])


def _fish_option(option: Option) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    value = "" if option.value.kind == "none" else f" -r {_fish_value(option.value)}".rstrip()
    return f"{' '.join(names)}{value} -d {_fish(option.about)}"


def _fish_value(value: Value) -> str:
    offers = {"file": "-F", "directory": "-a '(__fish_complete_directories)'", "revision": f'-a "({_REFS})"'}
    return f"-a {_fish(' '.join(value.words))}" if value.kind == "words" else offers.get(value.kind, "")


def _fish(text: str) -> str:
    """Single quotes: fish knows two escapes inside them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

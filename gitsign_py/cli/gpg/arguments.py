"""The command line of gpg, as far as a signing program needs it (gpg's own option table in g10/gpg.c).

Short options may be run together, the last of them taking the next word (``-bsau KEY``); long options take their value
after ``=`` or as the next word; options and operands may stand in any order, ``--`` ends the options. argparse would
cost 11 ms here and does not know ``-bsau``.
"""

from gitsign_py.errors import UsageError

_SHORT_FLAGS = {
    "s": "sign",
    "b": "detach-sign",
    "a": "armor",
    "v": "verbose",
    "q": "quiet",
    "t": "textmode",
    "n": "dry-run",
}
_SHORT_VALUES = {"u": "local-user", "o": "output"}
_LONG_FLAGS = frozenset(
    {*_SHORT_FLAGS.values(), "verify", "version", "batch", "no-tty", "yes", "no", "no-armor", "no-greeting",
     "no-secmem-warning", "no-permission-warning", "utf8-strings", "disable-dirmngr", "disable-crl-checks"}
)  # fmt: skip
_LONG_VALUES = frozenset(
    {*_SHORT_VALUES.values(), "status-fd", "logger-fd", "keyid-format", "include-certs", "digest-algo", "trust-model",
     "homedir", "pinentry-mode", "token"}
)  # fmt: skip


class GpgCommand:
    """The request to gpg: ``operation`` is sign, verify, version or foreign (a command of the real gpg).

    ``options`` maps names of long options to values (flags to an empty string); ``operands`` are the file names.
    ``unknown`` is the option that made a foreign command of signing, as it was written; else it is empty.
    """

    __slots__ = ("operands", "operation", "options", "unknown")

    def __init__(self, operation: str, options: dict[str, str], operands: list[str], unknown: str = "") -> None:
        self.operation = operation
        self.options = options
        self.operands = operands
        self.unknown = unknown

    def descriptor(self, name: str) -> int | None:
        """A file descriptor that an option names. Raises UsageError ``gpg-option-invalid``."""
        value = self.options.get(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 6:
            raise UsageError("gpg-option-invalid", f"--{name} wants the number of a file descriptor, got {value}")
        return int(value)


def parse_gpg_arguments(arguments: list[str]) -> GpgCommand:
    """Parse gpg's arguments. An option that only the real gpg knows makes the command foreign.

    Raises UsageError ``gpg-option-invalid`` when an option lacks its value.
    """
    options: dict[str, str] = {}
    operands: list[str] = []
    rest = list(arguments)
    unknown = ""
    while rest:
        word = rest.pop(0)
        if word == "--":
            operands += rest
            break
        if word.startswith("--"):
            known = _long(word[2:], rest, options)
        elif word.startswith("-") and word != "-":
            known = _cluster(word[1:], rest, options)
        else:
            operands.append(word)
            continue
        unknown = unknown or ("" if known else word.partition("=")[0])
    operation = _operation(options)
    if not unknown:
        return GpgCommand(operation, options, operands)
    return GpgCommand("foreign", options, operands, unknown if operation == "sign" else "")


def _long(text: str, rest: list[str], options: dict[str, str]) -> bool:
    name, equals, value = text.partition("=")
    if name in _LONG_VALUES:
        options[name] = value if equals else _value(f"--{name}", rest)
        return True
    if name in _LONG_FLAGS and not equals:
        options[name] = ""
        return True
    return False


def _cluster(letters: str, rest: list[str], options: dict[str, str]) -> bool:
    for at, letter in enumerate(letters):
        if letter in _SHORT_VALUES:
            options[_SHORT_VALUES[letter]] = letters[at + 1 :] or _value(f"-{letter}", rest)
            return True
        if letter not in _SHORT_FLAGS:
            return False
        options[_SHORT_FLAGS[letter]] = ""
    return True


def _value(option: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError("gpg-option-invalid", f"{option} wants a value")
    return rest.pop(0)


def _operation(options: dict[str, str]) -> str:
    if "version" in options:
        return "version"
    if "verify" in options:
        return "verify"
    return "sign" if options.keys() & {"sign", "detach-sign"} else "foreign"

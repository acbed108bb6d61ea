"""What a repository can be given so that git runs a program of its maker's choice: configuration, attributes, hooks."""

from pathlib import Path

from tests.support.gitrepo import ScratchRepo

_KEYS = (
    "core.fsmonitor",
    "core.pager",
    "core.editor",
    "core.sshCommand",
    "core.askPass",
    "core.gitProxy",
    "core.alternateRefsCommand",
    "pager.log",
    "pager.config",
    "pager.rev-list",
    "gpg.program",
    "gpg.openpgp.program",
    "gpg.x509.program",
    "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand",
    "diff.external",
    "diff.planted.command",
    "diff.planted.textconv",
    "filter.planted.clean",
    "filter.planted.smudge",
    "filter.planted.process",
    "credential.helper",
    "alias.rev-list",
    "alias.merge-tree",
    "sequence.editor",
    "interactive.diffFilter",
    "trailer.planted.command",
    "uploadpack.packObjectsHook",
    "remote.origin.uploadpack",
    "hook.planted.command",
    "gitsign.urlOpener",
)
_HOOKS = ("reference-transaction", "post-index-change", "post-checkout", "fsmonitor-watchman", "pre-auto-gc")
_ATTRIBUTES = "* merge=planted diff=planted filter=planted\n"


def plant(repo: ScratchRepo, folder: Path) -> Path:
    """Name a program in every place that there is; gives the folder where each that runs leaves a file.

    The merge driver takes the other side, so that a conflict has an outcome that its maker chose.
    """
    ran = folder / "ran"
    ran.mkdir()
    for key in _KEYS:
        repo.git("config", key, _program(folder, ran, key))
    repo.git("config", "merge.planted.driver", f'{_program(folder, ran, "merge.driver")} && cp "%B" "%A"')
    repo.git("config", "merge.default", "planted")
    repo.git("config", "merge.renormalize", "true")
    repo.git("config", "hook.planted.event", "reference-transaction")
    hooks = folder / "planted-hooks"
    hooks.mkdir()
    for name in _HOOKS:
        (hooks / name).write_text(Path(_program(folder, ran, f"hook-{name}")).read_text())
        (hooks / name).chmod(0o755)
    repo.git("config", "core.hooksPath", str(hooks))
    git_directory = repo.path / repo.git("rev-parse", "--git-dir")
    (git_directory / "info").mkdir(exist_ok=True)
    (git_directory / "info" / "attributes").write_text(_ATTRIBUTES)
    for left in ran.iterdir():  # what git ran while we planted
        left.unlink()
    return ran


def _program(folder: Path, ran: Path, name: str) -> str:
    path = folder / f"planted-{name}"
    path.write_text(f'#!/bin/sh\n: > "{ran}/{name}"\nexit 0\n')
    path.chmod(0o755)
    return str(path)

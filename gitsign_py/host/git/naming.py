"""Questions about names that an audit asks of a repository: to git where it is there, else to its files."""

from typing import TYPE_CHECKING

from gitsign_py.host.git.objects import GitRepository

if TYPE_CHECKING:
    from gitsign_py.host.git.directnames import RefLine

_FORMAT = "%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)"


def list_refs(repository: GitRepository, *patterns: str) -> "tuple[RefLine, ...]":
    """All refs below ``patterns`` (none: all), in order."""
    if repository.direct is not None:
        return tuple(repository.direct.names.refs(*patterns))
    from gitsign_py.host.git.directnames import RefLine  # noqa: PLC0415 - loads what reads files where git is missing

    out = repository.run(["for-each-ref", f"--format={_FORMAT}", *patterns])
    found = []
    for line in out.decode("utf-8", "surrogateescape").split("\n"):
        if line:
            kind, oid, peeled_kind, peeled, name = line.split(" ", 4)
            found.append(RefLine(name, kind, oid, peeled_kind, peeled))
    return tuple(found)


def symbolic_ref(repository: GitRepository, name: str) -> str:
    """The ref that a symbolic one names; empty for another."""
    if repository.direct is not None:
        return repository.direct.names.symbolic_ref(name)
    return _text(repository, ["symbolic-ref", "-q", name])


def commit_of(repository: GitRepository, word: str) -> str:
    """The commit that a word is or leads to; empty where there is none."""
    if repository.direct is not None:
        return repository.direct.names.commit_of(word)
    return _text(repository, ["rev-parse", "-q", "--verify", "--end-of-options", f"{word}^{{commit}}"])


def commit_at(repository: GitRepository, ref: str) -> str:
    """The commit of the ref of this very name, empty where there is none.

    rev-parse takes refs/tags/refs/heads/main for refs/heads/main that is not there.
    """
    if repository.direct is not None:
        return repository.direct.names.commit_at(ref)
    lines = _text(repository, ["for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", ref]).split("\n")
    return next((oid.split()[-1] for name, _, oid in (line.partition(" ") for line in lines) if name == ref), "")


def full_name(repository: GitRepository, word: str) -> str:
    """The full name of the ref that a word names; empty where it names none."""
    if repository.direct is not None:
        return repository.direct.names.full_name(word)
    out = _text(repository, ["rev-parse", "--symbolic-full-name", "--end-of-options", word])
    return next((name for name in out.split("\n") if name.startswith("refs/")), "")


def ids_of(repository: GitRepository, word: str) -> list[str]:
    """The ids that a revision or a range names, those of what is left out after ``^``. Raises what ``run`` does."""
    if repository.direct is not None:
        return repository.direct.names.ids_of(word)
    return repository.run(["rev-parse", "--revs-only", "--end-of-options", word]).decode("ascii").split()


def object_at(repository: GitRepository, name: str) -> str:
    """The object that ``REV:PATH`` names; empty where there is none."""
    if repository.direct is not None:
        return repository.direct.names.object_at(name)
    return _text(repository, ["rev-parse", "-q", "--verify", "--end-of-options", name])


def remotes(repository: GitRepository) -> list[str]:
    """The names of the remotes."""
    if repository.direct is None:
        return _text(repository, ["remote"]).split()
    keys = (key.removeprefix("remote.") for key in repository.direct.config.entries if key.startswith("remote."))
    return sorted({key.rpartition(".")[0] for key in keys if "." in key})


def setting(repository: GitRepository, key: str) -> str:
    """The value of one of git's settings; empty where it is not set."""
    if repository.direct is not None:
        return repository.direct.config.get(key)
    return _text(repository, ["config", "--get", key])


def _text(repository: GitRepository, arguments: list[str]) -> str:
    """The names that git resolves in one go; nothing where it refuses."""
    return repository.run(arguments, accept=(0, 1, 128)).decode("utf-8", "surrogateescape").strip("\n")

"""Where a policy comes from: a file, or ``REV:PATH`` out of the repository. Read as a whole, or refused."""

from pathlib import Path

from gitsign_py.core.frozen import replace
from gitsign_py.errors import ConfigError, GitsignError, PolicyError
from gitsign_py.host.git.naming import object_at
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.plainfile import read_plain
from gitsign_py.policy.document import MAX_POLICY_BYTES
from gitsign_py.policy.model import POLICY_FOLDER, Policy
from gitsign_py.policy.parse import parse_policy


def load_policy(repository: GitRepository, name: str) -> Policy:
    """Read and check the policy that a command line names. Raises ConfigError ``policy-unreadable``, PolicyError."""
    return _placed(parse_policy(read_policy_bytes(repository, name), name), name)


def _placed(policy: Policy, name: str) -> Policy:
    """With the path in the repository that it is read from: who may change it there may change every rule."""
    path = "" if is_file(name) else name.rpartition(":")[2].removeprefix("./")
    return policy if path.startswith(f"{POLICY_FOLDER}/") else replace(policy, place=path)


def configured_policy(repository: GitRepository, name: str) -> Policy:
    """The same for ``gitsign.policy``, which is one file for the whole repository, in whichever folder we are."""
    is_absolute = Path(name).expanduser().is_absolute()  # then nobody has to ask git, 4 ms for each commit shown
    base = None if is_absolute else repository.top
    return _placed(parse_policy(read_policy_bytes(repository, name, base=base, plain=True), name), name)


def is_file(name: str) -> bool:
    """Tell whether a name means a file, and not ``REV:PATH``, whatever files there are.

    A pull request may bring a folder ``refs/remotes/origin/main:.gitsign``: if a file of the very name came first, the
    change that is judged would bring its own policy.
    """
    path = Path(name)
    begins = name.startswith(("~", "./", "../", ".\\", "..\\"))
    return ":" not in name or begins or bool(path.drive) or path.is_absolute()


def read_policy_bytes(repository: GitRepository, name: str, *, base: Path | None = None, plain: bool = False) -> bytes:
    """The bytes of a policy.

    A relative file starts at ``base``, by default where we are. ``plain`` is for what a setting names, which a
    repository may have: neither a pipe nor a device is read.
    """
    try:
        given = Path(name).expanduser()
    except RuntimeError as error:
        raise _unreadable(name, "there is no such user") from error
    if not is_file(name):
        return _from_revision(repository, name)
    path = (base or repository.directory or Path()) / given
    try:
        if plain:
            return read_plain(path, MAX_POLICY_BYTES)
        with path.open("rb") as file:
            return file.read(MAX_POLICY_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(name, getattr(error, "strerror", None) or str(error)) from error


def _from_revision(repository: GitRepository, name: str) -> bytes:
    if missing := repository.missing_ref(name):
        raise _unreadable(name, f"there is no {missing}")
    try:
        repository.check_unambiguous(name)  # who may push a tag could bring an older policy back in force
        oid = object_at(repository, name)
        found = repository.read(oid) if oid else None
    except GitsignError as error:
        raise _unreadable(name, f"{error.message}; {error.hint}" if error.hint else error.message) from error
    if found is None or found.kind != "blob":
        raise _unreadable(name, "there is no such file in that revision")
    return found.data


def _unreadable(name: str, why: str) -> ConfigError:
    return ConfigError(
        "policy-unreadable",
        f"the policy {name} cannot be read: {why}",
        hint="give a file (./FILE if it has a colon), or REV:PATH such as refs/heads/main:.gitsign/policy.toml",
    )


def as_config_error(error: PolicyError) -> ConfigError:
    """A policy that is not valid stops an audit before it starts: a matter of configuration, not of any commit."""
    return ConfigError(error.reason, error.message, hint=error.hint, facts=error.facts)

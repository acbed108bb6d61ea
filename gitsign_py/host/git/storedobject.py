"""Stored commits and tags, split as their repository means them: which signature counts, and whether two may stand."""

from collections.abc import Callable, Iterable, Mapping

from gitsign_py.core.git.gitobject import HashAlgorithm, SignedObject, is_object_id, split_object
from gitsign_py.errors import FormatError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.plainfile import read_plain
from gitsign_py.ports import ObjectSource, RawObject

_MAX_CONFIG = 16 << 20
"""16 MiB of configuration: what stands behind them is passed over, as if there were one hash algorithm."""


def split_stored(source: ObjectSource, stored: RawObject) -> SignedObject:
    """Split a stored commit or tag. Raises FormatError as ``split_object`` does.

    Which signature counts is said by the repository's algorithm, and not by the length of the names in the object.
    """
    algorithm: HashAlgorithm = "sha256" if len(stored.oid) == 64 else "sha1"
    try:
        return split_object(stored.kind, stored.data, algorithm)
    except FormatError as error:
        if error.reason != "signature-second" or not isinstance(source, GitRepository) or not has_two_hashes(source):
            raise
    return split_object(stored.kind, stored.data, algorithm, two_hashes=True)


def has_two_hashes(repository: GitRepository) -> bool:
    """Tell whether git names each object here by two hash algorithms (extensions.compatObjectFormat).

    As git reads it: from the repository's own file, without includes, from format version 1 on (git's setup.c).
    """
    file = repository.common_directory / "config"
    try:
        # Of nearly every repository, and spares the processes.
        if b"compatobjectformat" not in read_plain(file, _MAX_CONFIG).lower():
            return False
    except OSError:
        return False
    version, other = (
        repository.run(["config", "--file", str(file), "--no-includes", "--get", key], accept=(0, 1)).strip()
        for key in ("core.repositoryFormatVersion", "extensions.compatObjectFormat")
    )
    return version == b"1" and other == (b"sha256" if repository.algorithm == "sha1" else b"sha1")


def other_names(run: Callable[[list[str]], bytes], oids: Iterable[str]) -> Mapping[str, str]:
    """The names that these objects have by the repository's other hash algorithm, as git keeps them.

    ``run`` runs git there. What git cannot name is left out: it prints its own name again. Raises UncheckedError
    ``git-failed``, from a git before 2.45 too, which does not know the option.
    """
    asked = list(dict.fromkeys(oids))
    if not asked:
        return {}
    other = "sha1" if len(asked[0]) == 64 else "sha256"
    given = run(["rev-parse", f"--output-object-format={other}", *asked]).decode("ascii", "replace").split()
    pairs = zip(asked, given, strict=True) if len(given) == len(asked) else ()
    return {oid: name for oid, name in pairs if is_object_id(name) and len(name) != len(oid)}

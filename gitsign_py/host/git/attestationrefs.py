"""Attestations in a repository, where the Go client keeps them: refs/attestations/commits and .../trees.

The ref names a commit whose tree has a folder for each object's id; in it, for a file NAME, stand NAME itself, NAME.sig
(the DSSE envelope) and NAME.sigstore.json (the bundle, which alone can be verified without asking a log).
"""

from collections.abc import Mapping, Sequence

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import UncheckedError, UsageError
from gitsign_py.host.git.committer import committer
from gitsign_py.host.git.graph import graph_of
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.policy.trees import Entry, each_entry, read_tree_data

_NOTHING = "0" * 40
_ATTEMPTS = 5
JOIN = "git fetch origin '+refs/attestations/*:refs/remotes/origin/attestations/*' && gitsign-py approve --join origin"
"""The commands that bring others' attestations into these refs, beside one's own."""
SUFFIX = ".sigstore.json"
MAX_LIST_BYTES = 16 << 20
"""The list of objects: some 240,000 of them."""
MAX_FOLDER_BYTES = 256 << 10
"""The list of files about one object: some 4,000."""


def check_size(ref: str, data: bytes | None, most: int = MAX_LIST_BYTES) -> bytes:
    """Give a tree of an attestation ref back; None stands for one that nobody reads.

    Raises UncheckedError ``attestations-too-many``: what is not read may be what counts.
    """
    if data is None or len(data) > most:
        raise UncheckedError(
            "attestations-too-many",
            f"{ref} has a tree of more than {most} bytes, which is not read",
            hint="ask its owner to remove entries that are of no use",
        )
    return data


@frozen
class Stored:
    """One attestation: its name, and its bundle; None for one of the Go client, which keeps none."""

    name: str
    bundle: bytes | None


def store(
    repository: GitRepository, ref: str, oid: str, files: Mapping[str, bytes], *, message: str, replace: bool = False
) -> str:
    """Add files to the folder of ``oid`` and give the id of the new commit under ``ref``. No worktree is touched.

    Raises UsageError ``attestation-exists`` without ``replace``; UncheckedError ``attestation-ref-busy`` when others
    kept moving the ref, ``attestations-too-many`` for a tree that no reader would read.
    """
    blobs = {name: _written(repository, data) for name, data in files.items()}
    for _ in range(_ATTEMPTS):
        old = _tip(repository, ref)
        if not replace:
            refuse_existing(repository, ref, oid, tuple(files))
        added = {name: ("100644 blob", blob) for name, blob in blobs.items()}
        folder = _tree(repository, ref, f"{old}:{oid}" if old else "", added)
        tree = _tree(repository, ref, f"{old}^{{tree}}" if old else "", {oid: ("40000 tree", folder)})
        new = _commit(repository, tree, (old,) if old else (), message)
        if _moved(repository, ref, new, old):
            return new
    raise UncheckedError("attestation-ref-busy", f"others keep moving {ref}", hint="try again")


def join(repository: GitRepository, ref: str, other: str) -> bool:
    """Bring what ``other`` has into ``ref``, beside what is there; False where it has all of it.

    Raises UsageError ``attestation-exists`` for a file that both have with other content, UncheckedError as ``store``.
    """
    for _ in range(_ATTEMPTS):
        ours, theirs = _tip(repository, ref), _tip(repository, other)
        if not theirs or (ours and graph_of(repository).is_ancestor(theirs, ours)):
            return False
        new = theirs
        if ours and not graph_of(repository).is_ancestor(ours, theirs):
            tree = _joined(repository, ref, ours, theirs)
            new = _commit(repository, tree, (ours, theirs), f"gitsign-py join {other}")
        if _moved(repository, ref, new, ours):
            return True
    raise UncheckedError("attestation-ref-busy", f"others keep moving {ref}", hint="try again")


def _joined(repository: GitRepository, ref: str, ours: str, theirs: str) -> str:
    """The tree of both. git would merge them as text, and asks about the files of two histories that have no base."""
    here, there = (_rows(repository, ref, f"{tip}^{{tree}}") for tip in (ours, theirs))
    added = {oid: row for oid, row in there.items() if here.get(oid, row) == row}
    for oid in there.keys() - added.keys():
        if {here[oid][0], there[oid][0]} != {"40000 tree"}:
            raise _differs(ref, oid)
        own, others = (_rows(repository, ref, tree) for _, tree in (here[oid], there[oid]))
        if differing := sorted(name for name in own.keys() & others.keys() if own[name] != others[name]):
            raise _differs(ref, f"{oid}/{differing[0]}")
        added[oid] = ("40000 tree", _tree(repository, ref, here[oid][1], others))
    return _tree(repository, ref, f"{ours}^{{tree}}", added)


def _differs(ref: str, name: str) -> UsageError:
    words = f"{name[:200]} is another one there than in {ref} here"
    return UsageError("attestation-exists", words, hint="take yours out, or give it another name")


def refuse_existing(repository: GitRepository, ref: str, oid: str, names: tuple[str, ...]) -> None:
    """Refuse to write over what is there. Raises UsageError ``attestation-exists``."""
    present = {name for name, _, _ in _entries(repository, ref, f"{ref}:{oid}")}
    for name in names:
        if name in present:
            raise UsageError(
                "attestation-exists",
                f"there is an attestation {name} for {oid} already",
                hint="give the file another name, or --force to replace it (the log keeps both)",
            )


def stored(repository: GitRepository, ref: str, oid: str) -> tuple[Stored, ...]:
    """Every attestation about ``oid``, by name."""
    found = {name: blob for name, kind, blob in _entries(repository, ref, f"{ref}:{oid}") if kind.endswith("blob")}
    names = {name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)}
    names |= {name.removesuffix(".sig") for name in found if name.endswith(".sig")}
    return tuple(Stored(name, _bundle(repository, found.get(name + SUFFIX))) for name in sorted(names))


def _bundle(repository: GitRepository, blob: str | None) -> bytes | None:
    return None if blob is None else repository.read(blob).data


def _commit(repository: GitRepository, tree: str, parents: Sequence[str], message: str) -> str:
    who = committer(repository)
    above = "".join(f"parent {parent}\n" for parent in parents).encode()
    said = message.encode("utf-8", "surrogateescape")
    data = b"tree %s\n%bauthor %b\ncommitter %b\n\n%b\n" % (tree.encode(), above, who, who, said)
    return _line(repository.run(["hash-object", "-t", "commit", "-w", "--stdin"], stdin=data))


def _written(repository: GitRepository, data: bytes) -> str:
    return _line(repository.run(["hash-object", "-w", "--stdin"], stdin=data))


def _tip(repository: GitRepository, ref: str) -> str:
    return _line(repository.run(["rev-parse", "--verify", "-q", f"{ref}^{{commit}}"], accept=(0, 1)))


def _entries(repository: GitRepository, ref: str, tree: str) -> list[tuple[str, str, str]]:
    """Name, ``mode kind`` and id of a tree's entries; none when there is no such tree."""
    oid = _line(repository.run(["rev-parse", "--verify", "-q", "--end-of-options", tree], accept=(0, 1, 128)))
    if not oid:
        return []
    data = check_size(ref, read_tree_data(repository, oid))
    return [
        (name.decode("utf-8", "surrogateescape"), f"{entry.mode.decode()} {_kind(entry)}", entry.oid)
        for name, entry in each_entry(data, len(oid) // 2)
    ]


def _rows(repository: GitRepository, ref: str, tree: str) -> dict[str, tuple[str, str]]:
    return {name: (kind, oid) for name, kind, oid in _entries(repository, ref, tree)}


def _kind(entry: Entry) -> str:
    if entry.is_tree:
        return "tree"
    return "commit" if entry.mode == b"160000" else "blob"


def _tree(repository: GitRepository, ref: str, old: str, added: Mapping[str, tuple[str, str]]) -> str:
    """A tree with the entries of ``old`` (empty: none) and those added in their place."""
    kept = _rows(repository, ref, old) if old else {}
    rows = "".join(f"{kind} {blob}\t{name}\0" for name, (kind, blob) in (kept | dict(added)).items())
    return _line(repository.run(["mktree", "-z"], stdin=rows.encode("utf-8", "surrogateescape")))


def _moved(repository: GitRepository, ref: str, new: str, old: str) -> bool:
    """Move the ref if it still is where it was; False when another process was quicker.

    git's own answer counts: where the ref is afterwards may be what others have put on top of ours.
    """
    expected = old or _NOTHING[: len(new)].ljust(len(new), "0")
    try:
        repository.write(["update-ref", "--create-reflog", ref, new, expected])
    except UncheckedError:
        return False
    return True


def _line(output: bytes) -> str:
    return output.decode("ascii", "replace").strip()

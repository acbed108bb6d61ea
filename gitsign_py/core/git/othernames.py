"""A signed object in its other spelling: what a repository of two hash algorithms signs a second time.

git's hash-function-transition: with extensions.compatObjectFormat ``git commit -S`` signs the commit as it is and as
the other algorithm names its tree and parents, and both signatures stand in either object.
"""

from collections.abc import Mapping

from gitsign_py.core.git.gitobject import SignedObject
from gitsign_py.errors import UncheckedError


def named(signed: SignedObject) -> tuple[str, ...]:
    """The objects that it names by its own algorithm, in their order."""
    return (signed.tree, *signed.parents) if signed.kind == "commit" else (signed.target,)


def other_payload(signed: SignedObject, names: Mapping[str, str]) -> bytes:
    """The payload of the second signature; ``names`` has the other name of each object.

    Raises UncheckedError ``signature-second-unchecked`` where a name is not known, or a merged tag stands in the commit
    (its signatures change their places in the other spelling).
    """
    missing = [oid for oid in named(signed) if oid not in names]
    if missing or any(header.name == b"mergetag" for header in signed.headers):
        why = f"git does not know the other name of {missing[0]}" if missing else "a merged tag stands in the commit"
        raise UncheckedError(
            "signature-second-unchecked",
            f"the second signature of the {signed.kind} cannot be checked: {why}",
            hint="verify in a repository that has extensions.compatObjectFormat and all of the history",
        )
    head = [b"tree", *(b"parent" for _ in signed.parents)] if signed.kind == "commit" else [b"object"]
    pairs = list(zip(head, named(signed), strict=True))
    own = b"".join(b"%b %b\n" % (key, oid.encode()) for key, oid in pairs)
    other = b"".join(b"%b %b\n" % (key, names[oid].encode()) for key, oid in pairs)
    return other + signed.payload.removeprefix(own)

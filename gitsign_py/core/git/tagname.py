"""Does a tag stand below its own name? A tag says which version it is, and its signature covers that name alone.

Below another ref, which anybody who serves a repository can write, an old release would pass for a new one.
"""

from gitsign_py.errors import VerificationError

_TAGS = "refs/tags/"
_BRANCHES = "refs/heads/"


def fits_ref(name: str, ref: str) -> bool:
    """Tell whether the tag that calls itself ``name`` may stand at the full ref name ``ref``.

    Below refs/tags/ it is the rest of the ref. Elsewhere, where mirrors and namespaces keep tags
    (refs/remotes/origin/tags/v1), the ref must end in it. git lets no tag stand below refs/heads/: such a ref only says
    for which branch a tag is judged that was named by its id.
    """
    if ref.startswith(_TAGS):
        return ref == _TAGS + name
    return ref.startswith(_BRANCHES) or ref.endswith(f"/{name}")


def check_tag_name(name: str, ref: str) -> None:
    """Check that a tag called ``name`` may stand at ``ref``. Raises VerificationError ``tag-name-mismatch``."""
    if not fits_ref(name, ref):
        raise VerificationError(
            "tag-name-mismatch",
            mismatch(name, ref),
            hint="ask for the tag by its own name; it has no signature under the other",
            facts={"expected": ref.removeprefix(_TAGS), "got": name},
        )


def mismatch(name: str, ref: str) -> str:
    """Say it, for a person."""
    return f"tag calls itself {name}, and is no {ref.removeprefix(_TAGS)}"

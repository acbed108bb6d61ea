"""What an audit did not see, or what tries to fool it: shallow and partial clones, replace refs, grafts."""

from gitsign_py.host.git.objects import GitRepository


def notices(repository: GitRepository) -> tuple[str, ...]:
    """Sentences for people; empty for a whole and plain repository."""
    found = []
    if cuts := repository.cuts:
        found.append(
            "shallow clone: the history is cut off, and what lies beyond was not seen; "
            f"{len(cuts)} commits have parents that are not here, among them {min(cuts)}"
        )
    elif repository.is_shallow:
        found.append("a list of shallow commits is there (.git/shallow): it is not followed, and hides nothing")
    if repository.is_partial:
        found.append("partial clone: objects may be missing; nothing is fetched, and what needs them is unchecked")
    replaced = repository.run(["for-each-ref", "--count=1", "--format=%(refname)", "refs/replace/"]).strip()
    if replaced:
        found.append("replace refs are there (refs/replace/): they are not followed, the stored commits are judged")
    grafts = repository.common_directory / "info" / "grafts"
    if grafts.is_file() and grafts.stat().st_size:
        found.append("grafts are there (info/grafts): they are not followed, the stored parents are judged")
    return tuple(found)

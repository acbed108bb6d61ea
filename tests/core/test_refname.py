"""Full names of refs: each rule of git-check-ref-format(1), and the revisions that look like one (gitrevisions(7))."""

import pytest

from gitsign_py.core.git.refname import is_full_ref_name

GOOD = (
    *("refs/heads/main", "refs/remotes/origin/main", "refs/heads/a.b/c@d", "refs/heads/@", "refs/heads/a./b"),
    *("refs/heads/x.lock.y", "refs/heads/{1}", "refs/heads/ä", "refs/heads/\udcff", "refs/stash", "refs/heads/-x"),
)
BAD = (
    *(
        "",
        "main",
        "heads/main",
        "HEAD",
        "@",
        "refs",
        "refs/",
        "refs/heads/",
        "refs//x",
        "/refs/heads/x",
        "refs/heads//x",
    ),
    *("refs/heads/main@{1}", "refs/heads/main@{0}", "refs/heads/main@{upstream}", "refs/heads/main@{2 days ago}"),
    *(
        "refs/heads/main^",
        "refs/heads/main^{}",
        "refs/heads/main^{commit}",
        "refs/heads/main~1",
        "refs/heads/main:path",
    ),
    *(
        "refs/heads/main..x",
        "refs/heads/.x",
        "refs/.heads/x",
        "refs/heads/x.lock",
        "refs/heads/x.lock/y",
        "refs/heads/x.",
    ),
    *("refs/heads/*", "refs/heads/?", "refs/heads/[x]", "refs/heads/a b", "refs/heads/a\\b", "refs/heads/a\x7f"),
    *("refs/heads/a\n", "refs/heads/a\0", "--all", "refs/heads/main\nrefs/heads/x"),
)


@pytest.mark.parametrize("name", GOOD)
def test_a_name(name: str) -> None:
    assert is_full_ref_name(name)


@pytest.mark.parametrize("name", BAD)
def test_no_name(name: str) -> None:
    assert not is_full_ref_name(name)

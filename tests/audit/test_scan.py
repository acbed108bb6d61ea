"""The quick way to read an unsigned commit says the same as the strict one."""

import hashlib

import pytest

from gitsign_py.audit.scan import Scanned, scan
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.git.gittext import split_person

TREE = b"tree " + b"a" * 40 + b"\n"
PARENTS = b"parent " + b"b" * 40 + b"\nparent " + b"c" * 40 + b"\n"
PEOPLE = b"author A U Thor <a@example.com> 12 +0000\ncommitter C\xc3\xb6 <c@example.com> 34 -0130\n"


def scanned(data: bytes) -> Scanned:
    return scan(hashlib.sha1(b"commit %d\0" % len(data) + data).hexdigest(), "commit", data)


@pytest.mark.parametrize("parents", [b"", PARENTS])
@pytest.mark.parametrize("people", [PEOPLE, PEOPLE.replace(b"C\xc3\xb6", b"\xff"), PEOPLE.replace(b"c@", b"\xff@")])
@pytest.mark.parametrize(
    "rest",
    [
        b"\nsubject\n",
        b"\nsubject",
        b"\nsubject\n\nbody\nof two lines\n",
        b"\na subject\non two lines\n\nbody\n",
        b"\n\n\nafter empty lines\n",
        b"\n",
        b"\n  spaces  and\ttabs \n",
        b"\nsubject\r\n\r\nbody\r\n",
        b"\n" + "ä".encode() * 300 + b"\n",
        b"encoding ISO-8859-1\n\n\xe4 subject\n",
        b"\n\xe4 in no encoding\n",
        b"\n \n\nbody\n",
        b"\nsub\0ject\n",
    ],
)
def test_both_ways_of_reading_agree(parents: bytes, people: bytes, rest: bytes) -> None:
    data = TREE + parents + people + rest
    item, strictly = scanned(data), split_commit(data)
    author, committer = split_person(strictly.author), split_person(strictly.committer)
    assert (item.tree, item.parents) == (strictly.tree, strictly.parents)
    assert item.author == author.email.decode("utf-8", "replace")
    assert (item.committer, item.committed) == (committer.email.decode("utf-8", "replace"), committer.time)
    assert item.subject == strictly.subject[:200]
    assert (item.form, item.malformed) == ("", ("", ""))

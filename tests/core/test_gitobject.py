"""Splitting and joining commits and tags: strict where bytes could hide from the signature, lax where history is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitsign_py.core.git.gitobject import (
    is_object_id,
    join_commit,
    join_tag,
    object_id,
    prove_object_id,
    signature_format,
    split_commit,
    split_object,
    split_tag,
)
from gitsign_py.core.git.headers import Header
from gitsign_py.errors import FormatError

TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
TREE_256 = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
PARENT = "a" * 40
PERSON = b"Alice <alice@example.com> 1795179195 +0000"
ARMORED = b"-----BEGIN SIGNED MESSAGE-----\nMIII\n-----END SIGNED MESSAGE-----\n"
COMMIT = b"tree %s\nparent %s\nauthor %s\ncommitter %s\n\nhello\n" % (TREE.encode(), PARENT.encode(), PERSON, PERSON)
TAG = b"object %s\ntype commit\ntag v1\ntagger %s\n\nrelease\n" % (PARENT.encode(), PERSON)
HEAD = COMMIT.split(b"\n\n")[0] + b"\n"
SIGNED = join_commit(COMMIT, ARMORED)


def refused(data: bytes, kind: str = "commit") -> str:
    with pytest.raises(FormatError) as caught:
        split_object(kind, data)
    return caught.value.reason


def test_a_signed_commit_gives_its_payload_signature_and_facts() -> None:
    commit = split_commit(SIGNED)
    assert (commit.payload, commit.signature, commit.other_signature) == (COMMIT, ARMORED, None)
    assert (commit.tree, commit.parents, commit.author, commit.committer) == (TREE, (PARENT,), PERSON, PERSON)
    assert (commit.kind, commit.algorithm, commit.message, commit.subject) == ("commit", "sha1", b"hello\n", "hello")


def test_the_signature_goes_last_in_the_header_each_further_line_after_a_space() -> None:
    lines = ARMORED.splitlines(keepends=True)
    assert HEAD + b"gpgsig " + b" ".join(lines) + b"\nhello\n" == SIGNED


def test_a_signed_tag_gives_its_payload_signature_and_facts() -> None:
    tag = split_tag(TAG + ARMORED)
    assert (tag.payload, tag.signature) == (TAG, ARMORED)
    assert (tag.target, tag.target_kind, tag.name, tag.tagger) == (PARENT, "commit", b"v1", PERSON)
    assert (tag.subject, tag.message) == ("release", b"release\n")


def test_unsigned_objects_have_no_signature_and_are_their_own_payload() -> None:
    assert split_commit(COMMIT).signature is None
    assert split_commit(COMMIT).payload == COMMIT
    assert split_tag(TAG).signature is None
    assert split_tag(TAG).payload == TAG


def test_an_object_without_a_body_passes_when_its_header_ends_with_a_newline() -> None:
    assert split_commit(HEAD).message == b""
    assert split_commit(join_commit(HEAD, ARMORED)).payload == HEAD
    assert refused(HEAD[:-1]) == "header-unterminated"
    assert refused(HEAD + b"x y\n" * 65_536 + b"\nhello\n") == "header-too-large"
    assert refused(HEAD + b"x " + b"y" * (4 << 20) + b"\n\nhello\n") == "header-too-large"
    assert refused(b"") == "header-unterminated"


def test_each_repository_kind_reads_its_own_signature_header_and_drops_both() -> None:
    folded = ARMORED[:-1].replace(b"\n", b"\n ")
    both = HEAD + b"gpgsig one\n two\ngpgsig-sha256 " + folded + b"\n\nhello\n"
    commit = split_commit(both, two_hashes=True)
    assert (commit.signature, commit.other_signature, commit.payload) == (b"one\ntwo\n", ARMORED, COMMIT)
    wide = COMMIT.replace(TREE.encode(), TREE_256.encode()).replace(PARENT.encode(), b"b" * 64)
    other = split_commit(join_commit(wide, ARMORED, "sha256"))
    assert (other.algorithm, other.signature, other.payload) == ("sha256", ARMORED, wide)
    assert b"\ngpgsig-sha256 -----BEGIN" in join_commit(wide, ARMORED, "sha256")


def test_the_repositorys_hash_algorithm_can_be_held_against_the_object() -> None:
    with pytest.raises(FormatError, match="64 lower-case hex"):
        split_commit(COMMIT, "sha256")


def test_mergetags_stay_in_the_payload_with_their_own_signatures() -> None:
    folded = (TAG + ARMORED)[:-1].replace(b"\n", b"\n ")
    payload = HEAD + b"mergetag " + folded + b"\n\nmerge\n"
    commit = split_commit(join_commit(payload, ARMORED))
    assert (commit.payload, commit.signature) == (payload, ARMORED)
    assert commit.headers[-1] == Header(b"mergetag", (TAG + ARMORED)[:-1])


@pytest.mark.parametrize(
    "headers",
    [b"encoding ISO-8859-1\n", b"HG:extra rebase_source:1\n", b"change-id xyz\n", b"odd \n", b"note a\n \n b\n"],
)
def test_headers_of_real_history_pass_before_and_after_the_signature(headers: bytes) -> None:
    payload = HEAD + headers + b"\nx\n"
    assert split_commit(join_commit(payload, ARMORED)).payload == payload
    early = HEAD + b"gpgsig a\n" + headers + b"\nx\n"  # JGit writes the signature before the encoding
    assert (split_commit(early).payload, split_commit(early).signature) == (payload, b"a\n")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"tree %s\n" % TREE.encode(), b""), "header-missing"),
        ((b"tree 4b", b"tree 4B"), "object-name-invalid"),
        ((b"tree 4b", b"tree b"), "object-name-invalid"),
        ((b"tree %s" % TREE.encode(), b"tree "), "object-name-invalid"),
        ((b"tree %s" % TREE.encode(), b"tree %s\r" % TREE.encode()), "object-name-invalid"),
        ((b"parent aa", b"parent a"), "object-name-invalid"),
        ((b"parent %s" % PARENT.encode(), b"parent " + b"a" * 64), "object-name-invalid"),
        ((b"author", b"author again\nauthor"), "header-order"),
        ((b"parent", b"author x\nparent"), "header-order"),
        ((b"\n\nhello", b"\ntree %s\n\nhello" % TREE.encode()), "header-duplicate"),
        ((b"\n\nhello", b"\nauthor x\n\nhello"), "header-duplicate"),
        ((b"\n\nhello", b"\ncommitter x\n\nhello"), "header-duplicate"),
        ((b"\n\nhello", b"\nparent %s\n\nhello" % PARENT.encode()), "header-order"),
        ((b"\ncommitter", b"\nencoding x\ncommitter"), "header-order"),
        ((b"committer", b"comitter"), "header-missing"),
        ((b"\nauthor", b"\n continued\nauthor"), "header-continuation"),
        ((b"tree", b" tree"), "header-continuation"),
        ((b"\n\nhello", b"\nencoding\n\nhello"), "header-invalid"),
        ((b"\n\nhello", b"\r\n\r\nhello"), "header-invalid"),
        ((b"\n\nhello", b"\nencoding a\0b\n\nhello"), "header-nul"),
        ((b"\n\nhello", b"\ngpgsig a\ngpgsig b\n\nhello"), "signature-duplicate"),
        ((b"\n\nhello", b"\ngpgsig a\nencoding x\ngpgsig b\n\nhello"), "signature-duplicate"),
        ((b"\n\nhello", b"\ngpgsig-sha256 a\ngpgsig-sha256 b\n\nhello"), "signature-duplicate"),
        ((b"\n\nhello", b"\ngpgsig \n\nhello"), "signature-empty"),
        ((b"\n\nhello", b"\ngpgsig\n\nhello"), "header-invalid"),
        ((b"\n\nhello", b"\ngpgsig-sha512 hidden text\n\nhello"), "signature-header-unknown"),
        ((b"\n\nhello", b"\ngpgsignature hidden text\n\nhello"), "signature-header-unknown"),
    ],
)
def test_headers_that_readers_could_read_in_two_ways_are_refused(change: tuple[bytes, bytes], reason: str) -> None:
    data = COMMIT.replace(*change, 1)
    assert data != COMMIT
    assert refused(data) == reason


def test_a_signature_before_the_tree_is_refused() -> None:
    assert refused(b"gpgsig x\n" + COMMIT) == "header-order"
    assert refused(COMMIT.replace(b"\nauthor", b"\ngpgsig x\nauthor")) == "header-order"
    assert refused(COMMIT.replace(b"\ncommitter", b"\ngpgsig x\ncommitter")) == "header-order"
    assert refused(b"gpgsig-sha256 x\n" + TAG, "tag") == "header-order"
    assert refused(TAG.replace(b"\ntagger", b"\ngpgsig-sha256 x\ntagger"), "tag") == "header-order"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"type commit", b"type branch"), "header-invalid"),
        ((b"type commit\ntag v1", b"tag v1\ntype commit"), "header-order"),
        ((b"object aa", b"object a"), "object-name-invalid"),
        ((b"object", b"objekt"), "header-missing"),
        ((b"\n\nrelease", b"\ntagger x\n\nrelease"), "header-duplicate"),
        ((b"\n\nrelease", b"\nobject x\n\nrelease"), "header-duplicate"),
        ((b"\n\nrelease", b"\ngpgsig a\ngpgsig-sha256 b\n\nrelease"), "signature-duplicate"),
        ((b"\ntagger", b"\n more\ntagger"), "header-continuation"),
    ],
)
def test_tag_headers_out_of_form_are_refused(change: tuple[bytes, bytes], reason: str) -> None:
    assert TAG.replace(*change, 1) != TAG
    assert refused(TAG.replace(*change, 1) + ARMORED, "tag") == reason


def test_a_tag_without_tagger_passes_as_the_oldest_tags_have_none() -> None:
    old = TAG.replace(b"tagger %s\n" % PERSON, b"")
    assert (split_tag(old).tagger, split_tag(old + ARMORED).payload) == (b"", old)


def test_a_tags_signature_is_the_last_block_and_all_after_its_marker() -> None:
    pgp = b"-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n"
    assert split_tag(TAG + pgp + ARMORED + b"tail").signature == ARMORED + b"tail"
    assert split_tag(TAG + pgp + ARMORED).payload == TAG + pgp
    assert split_tag(TAG + b" " + ARMORED).signature is None  # not at the start of a line


def test_a_tags_signature_header_is_left_out_of_its_payload() -> None:
    header = b"\ngpgsig-sha256 " + ARMORED[:-1].replace(b"\n", b"\n ")
    tag = split_tag(TAG.replace(b"\n\nrelease", header + b"\n\nrelease") + ARMORED, two_hashes=True)
    assert (tag.payload, tag.signature, tag.other_signature) == (TAG, ARMORED, ARMORED)


@pytest.mark.parametrize(
    ("payload", "armored", "reason"),
    [
        (TAG[:-1], ARMORED, "signature-ambiguous"),
        (TAG, ARMORED + ARMORED, "signature-ambiguous"),
        (TAG, b"no marker\n", "signature-ambiguous"),
        (TAG, b"", "signature-empty"),
        (TAG, ARMORED[:-1], "signature-unterminated"),
        (TAG, ARMORED[:-1] + b"\0\n", "signature-unterminated"),
        (TAG.replace(b"\n\n", b"\ngpgsig-sha256 a\n\n"), ARMORED, "signature-second"),
    ],
)
def test_a_tag_is_not_joined_to_a_signature_that_git_would_not_find(
    payload: bytes, armored: bytes, reason: str
) -> None:
    with pytest.raises(FormatError) as caught:
        join_tag(payload, armored)
    assert caught.value.reason == reason


def test_a_commit_is_not_signed_twice_and_not_with_an_unfinished_signature() -> None:
    for payload, armored, reason in (
        (SIGNED, ARMORED, "signature-duplicate"),
        (COMMIT, b"", "signature-empty"),
        (COMMIT, ARMORED[:-1], "signature-unterminated"),
        (b"tree\n", ARMORED, "header-invalid"),
    ):
        with pytest.raises(FormatError) as caught:
            join_commit(payload, armored)
        assert caught.value.reason == reason


def test_only_commits_and_tags_are_split() -> None:
    assert refused(b"", "tree") == "object-kind"
    assert split_object("tag", TAG).kind == "tag"
    assert split_object("commit", COMMIT).kind == "commit"


def test_signature_formats_are_told_by_the_start_as_git_does() -> None:
    assert signature_format(ARMORED) == "x509"
    assert signature_format(b"-----BEGIN PGP SIGNATURE-----\r\n") == "openpgp"
    assert signature_format(b"-----BEGIN PGP MESSAGE-----") == "openpgp"
    assert signature_format(b"-----BEGIN SSH SIGNATURE-----\n") == "ssh"
    assert signature_format(b"\n" + ARMORED) == "unknown"
    assert signature_format(b"") == "unknown"


def test_the_empty_trees_name_is_the_one_that_git_knows() -> None:
    assert object_id("tree", b"") == TREE
    assert object_id("tree", b"", "sha256") == TREE_256


def test_bytes_prove_their_name_in_both_hash_algorithms() -> None:
    prove_object_id(TREE, "tree", b"")
    prove_object_id(TREE_256, "tree", b"")
    with pytest.raises(FormatError) as caught:
        prove_object_id(TREE, "blob", b"")
    assert caught.value.reason == "object-id-mismatch"
    assert caught.value.facts["actual"] == object_id("blob", b"")


def test_only_full_lower_case_hex_is_an_object_id() -> None:
    assert is_object_id(TREE)
    assert is_object_id(TREE_256)
    for text in ("", "HEAD", TREE[:-1], TREE.upper(), TREE + "\n", TREE + "00", "\u0661" * 40, "\ud800" * 40):
        assert not is_object_id(text)


bodies = st.binary(max_size=300).map(lambda body: b"\n" + body) | st.just(b"")
words = st.binary(min_size=1, max_size=60).filter(lambda word: b"\n" not in word and b"\0" not in word)
extra_names = st.sampled_from([b"encoding", b"mergetag", b"HG:extra", b"x-y"])
extras = st.lists(st.tuples(extra_names, st.lists(words, min_size=1, max_size=4)), max_size=3)
signatures = st.lists(words, min_size=1, max_size=5).map(lambda lines: b"\n".join(lines) + b"\n")


def _headers(found: list[tuple[bytes, list[bytes]]]) -> bytes:
    return b"".join(name + b" " + b"\n ".join(lines) + b"\n" for name, lines in found)


@given(extras, bodies, signatures)
def test_split_undoes_join_for_commits_of_any_bytes(
    found: list[tuple[bytes, list[bytes]]], body: bytes, armored: bytes
) -> None:
    payload = HEAD + _headers(found) + body
    signed = join_commit(payload, armored)
    commit = split_commit(signed)
    assert (commit.payload, commit.signature) == (payload, armored)
    assert join_commit(commit.payload, armored) == signed


@given(bodies, signatures)
def test_split_undoes_join_for_tags_of_any_bytes(body: bytes, lines: bytes) -> None:
    payload = TAG + body + b"\n"
    armored = b"-----BEGIN SIGNED MESSAGE-----\n" + lines
    if b"-----BEGIN " in body or b"-----BEGIN " in lines:
        return
    tag = split_tag(join_tag(payload, armored))
    assert (tag.payload, tag.signature) == (payload, armored)


@given(st.sampled_from(["commit", "tag"]), st.binary(max_size=400), st.sampled_from([b"", COMMIT, TAG, SIGNED]))
def test_any_bytes_are_split_or_refused_and_nothing_is_lost(kind: str, noise: bytes, start: bytes) -> None:
    data = start + noise
    try:
        found = split_object(kind, data)
    except FormatError:
        return
    kept = len(found.payload) + len(found.signature or b"") + len(found.other_signature or b"")
    assert kept <= len(data)
    assert "\n" not in found.subject


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255))
def test_a_changed_byte_is_seen_in_payload_or_signature_or_refused(at: int, value: int) -> None:
    changed = SIGNED[:at] + bytes([value]) + SIGNED[at + 1 :]
    if changed == SIGNED:
        return
    try:
        found = split_commit(changed)
    except FormatError:
        return
    assert (found.payload, found.signature) != (COMMIT, ARMORED)

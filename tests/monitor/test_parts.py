"""The monitor's parts by themselves: comparisons, watch lists, names of entries, outputs."""

import json
from pathlib import Path

import jsonschema
import pytest

from gitsign_py.core.encoding import pem_encode
from gitsign_py.core.tlog import merkle
from gitsign_py.core.tlog.hashedrekord import hashedrekord_v001_body, hashedrekord_v002_body
from gitsign_py.errors import ConfigError, UsageError, VerificationError
from gitsign_py.monitor.compare import (
    Floor,
    Grown,
    backdated,
    head_finding,
    judge_growth,
    judge_same,
    judge_whole,
    telling_size,
)
from gitsign_py.monitor.decode import SeenEntry, SeenSigner, decode
from gitsign_py.monitor.findings import KINDS, Finding, read_finding
from gitsign_py.monitor.heads import Head
from gitsign_py.monitor.lookup import EntryName, entry_name
from gitsign_py.monitor.outputs import Journal, prometheus, sarif
from gitsign_py.monitor.sources import RawEntry
from gitsign_py.monitor.state import Kept
from gitsign_py.monitor.watch import Watch, checked, hits, may_hold, parse_watch_list
from tests.support.rekor2kit import CERTIFICATE
from tests.support.schemas import PUBLISHED
from tests.support.smalltree import LOG, hash_at, root

KEPT = Kept('a "tree"', "rekor2", "https://log.example.com", b"", 5, root(5), 7, 5, None, None)


def head(size: int, value: bytes) -> Head:
    return Head(LOG, "log", size, value, b"signed")


# -- comparing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [(5, 9), (6, 7), (64, 100), (3, 140), (1, 2)])
def test_a_growth_is_told_from_each_lie(old: int, new: int) -> None:
    proof = merkle.prove_consistency(old, new, hash_at)
    other = b"\x01" * 32
    found = judge_growth((old, root(old)), head(new, root(new)), proof)
    assert isinstance(found, Grown)
    assert found.part.root() == root(old)
    assert judge_growth((old, root(old)), head(new, other), proof) == "log-root-wrong"
    assert judge_growth((old, root(old)), head(new, root(new)), proof[1:]) == "log-proof-wrong"
    if old & (old - 1):
        assert judge_growth((old, other), head(new, root(new)), proof) == "log-forked"
        assert judge_growth((old, other), head(new, other), proof) == "log-proof-wrong"


def test_a_tree_that_no_proof_holds_is_told_by_the_next_one() -> None:
    proof = merkle.prove_consistency(9, 20, hash_at)
    other = b"\x01" * 32
    assert judge_whole((8, root(8)), head(20, other), proof) == "log-root-wrong"
    assert judge_whole((8, other), head(20, root(20)), proof) == "log-forked"
    assert judge_whole((8, other), head(20, other), proof) == "log-proof-wrong"
    assert judge_whole((8, root(8)), head(20, root(20)), proof[1:]) == "log-proof-wrong"


@pytest.mark.parametrize("size", [4, 5, 9, 64, 100])
def test_another_root_of_the_same_size_is_judged_by_the_log_s_own_tree(size: int) -> None:
    proof = merkle.prove_consistency(telling_size(size), size, hash_at)
    other = b"\x01" * 32
    assert judge_same(root(size), head(size, other), proof) == "log-root-wrong"
    assert judge_same(other, head(size, root(size)), proof) == "log-forked"
    with pytest.raises(VerificationError):
        judge_same(root(size), head(size, other), (*proof, other))


def test_of_a_tree_of_three_nothing_tells_a_fork_from_a_made_up_root() -> None:
    assert [telling_size(size) for size in range(4)] == [0, 0, 0, 0]
    assert judge_same(root(3), head(3, b"\x01" * 32), ()) == "log-forked"


def test_a_head_that_is_wrong_is_told_with_both_roots() -> None:
    finding = head_finding("log-forked", (5, root(5)), head(9, root(9)), 11)
    assert finding.facts["kept_root"] == root(5).hex()
    assert finding.facts["root"] == root(9).hex()
    assert finding.severity == "alarm"
    assert head_finding("log-forked", (5, root(5)), head(9, root(9)), 12).id == finding.id
    assert head_finding("log-forked", (5, root(5)), head(9, root(8)), 11).id != finding.id


@pytest.mark.parametrize(
    ("times", "floor", "late"),
    [
        ((1000, 1001), Floor(0, 0), []),
        ((1000, 300), Floor(0, 0), [1]),
        ((1000, 400), Floor(0, 0), []),  # within the delay
        ((1000,), Floor(1601, 0), [0]),
        ((1000,), Floor(0, 1601), [0]),
        ((0, 0), Floor(9999, 9999), []),  # states no time
        ((5000, 1000, 5000), Floor(0, 0), [1]),
    ],
)
def test_early_dates(times: tuple[int, ...], floor: Floor, late: list[int]) -> None:
    entries = [RawEntry(at, b"%d" % at, time) for at, time in enumerate(times)]
    found = backdated(entries, head(9, root(9)), "rekor1", floor, now=20_000)
    assert [one.facts["index"] for one in found] == late


# -- watch lists ------------------------------------------------------------------------------------------------------

ALICE = SeenSigner("alice@example.com", "https://issuer", "email", {"ref": "main"}, "a" * 64, "b" * 64)
ENTRY = SeenEntry("hashedrekord", "0.0.1", "sha256:" + "c" * 64, b"", (ALICE,))


@pytest.mark.parametrize(
    ("watch", "matches"),
    [
        ('identity = "alice@example.com"', True),
        ('identity = "Alice@example.com"', False),
        ('identity_pattern = ".*@example[.]com"', True),
        ('identity_pattern = "alice"', False),
        ('identity = "alice@example.com"\nissuer = "https://issuer"', True),
        ('identity = "alice@example.com"\nissuer = "https://other"', False),
        ('issuer_pattern = "https://.*"', True),
        (f'fingerprint = "{"a" * 64}"', True),
        (f'key = "{"b" * 64}"', True),
        (f'key = "{"a" * 64}"', False),
        (f'digest = "sha256:{"c" * 64}"', True),
        ('claims = {ref = "main"}', True),
        ('claims = {ref = "main", other = "x"}', False),
    ],
)
def test_a_watch_matches_when_all_of_it_does(watch: str, matches: bool) -> None:
    watches = parse_watch_list(f'[[watch]]\nname = "w"\n{watch}\n'.encode(), "w.toml")
    assert bool(hits(watches, ENTRY)) is matches
    assert hits(watches, SeenEntry("rpm")) == ()


def test_a_pattern_does_not_match_what_has_no_name() -> None:
    watches = (Watch("w", identity_pattern=".*"),)
    assert hits(watches, SeenEntry("hashedrekord", signers=(SeenSigner(key="b" * 64),))) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "watch = 1",
        "[[watch]]",
        '[[watch]]\nname = "w"',
        '[[watch]]\nname = "w"\nidentity = ""',
        '[[watch]]\nidentity = "a"',
        '[[watch]]\nname = "w"\nnobody = "a"',
        '[[watch]]\nname = "w"\nidentity_pattern = "("',
        '[[watch]]\nname = "w"\nfingerprint = "AB"',
        '[[watch]]\nname = "w"\nclaims = {a = 1}',
        '[[watch]]\nname = "w"\nidentity = "a"\n[[watch]]\nname = "w"\nidentity = "b"',
        '[other]\n[[watch]]\nname = "w"\nidentity = "a"',
        "\x00",
    ],
)
def test_a_watch_list_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_watch_list(text.encode(), "w.toml")
    assert caught.value.reason == "watch-list-invalid"
    assert "w.toml" in caught.value.message


def test_flags_are_checked_as_a_file_is() -> None:
    with pytest.raises(ConfigError):
        checked(Watch("flags", key="x"), "flags")


PEM = pem_encode(CERTIFICATE, "CERTIFICATE")
BODIES = [
    hashedrekord_v001_body(b"\1" * 32, b"signature", PEM),
    hashedrekord_v002_body(b"\1" * 32, b"signature", CERTIFICATE, "PKIX_ECDSA_P256_SHA_256"),
]


@pytest.mark.parametrize("body", BODIES, ids=["v1", "v2"])
def test_what_a_certificate_holds_is_seen_without_reading_it(body: bytes) -> None:
    inside = CERTIFICATE[-100:-60]
    assert may_hold(RawEntry(0, body), (b"nowhere to be found", inside))
    assert not may_hold(RawEntry(0, body), (b"nowhere to be found",))
    assert may_hold(RawEntry(0, body + b"\\"), (b"nowhere to be found",)), "an escape may hide anything"


@pytest.mark.parametrize("body", BODIES, ids=["v1", "v2"])
def test_no_part_of_a_certificate_is_passed_over(body: bytes) -> None:
    """At each place modulo three, of each length: what is passed over is never decoded, so no hit may be in it."""
    for start in range(40, 46):
        for length in range(1, 40):
            assert may_hold(RawEntry(0, body), (CERTIFICATE[start : start + length],)), (start, length)
    strange = [bytes(range(at, at + 12)) for at in range(0, 200, 7)]
    assert [may_hold(RawEntry(0, body), (one,)) for one in strange] == [one in CERTIFICATE for one in strange]


# -- entries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"kind":1}', b'{"kind":"rpm","apiVersion":"0.0.1"}', b"\xff" * 9]
)
def test_an_entry_that_cannot_be_read_says_so(body: bytes) -> None:
    seen = decode(RawEntry(0, body))
    assert seen.problem
    assert seen.signers == ()


UUID = "0123456789abcdef" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("17", EntryName(17)),
        (UUID, EntryName(uuid=UUID)),
        (UUID[16:].upper(), EntryName(uuid=UUID[16:])),
        ("https://r.example/api/v1/log/entries?logIndex=5", EntryName(5, url="https://r.example")),
        (f"https://r.example/x/api/v1/log/entries/{UUID}", EntryName(uuid=UUID, url="https://r.example/x")),
        ("https://search.sigstore.dev/?logIndex=25579", EntryName(25579, url="https://rekor.sigstore.dev")),
    ],
)
def test_names_of_entries(text: str, name: EntryName) -> None:
    assert entry_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "-1", "x" * 64, "ftp://h/api/v1/log/entries?logIndex=5", "https://[", "http://h/"]
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        entry_name(text)
    assert caught.value.reason == "log-entry-name"


# -- outputs ----------------------------------------------------------------------------------------------------------


def finding(number: int) -> Finding:
    return Finding("watch-hit", "log", str(number), f"entry {number}\n\x1b[2J", 1_700_000_000, {"index": number})


def test_a_finding_is_read_back_and_prints_on_one_line() -> None:
    one = finding(3)
    assert read_finding(json.loads(json.dumps(one.to_json()))) == one
    assert "\n" not in one.line()
    assert "\x1b" not in one.line()


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_journal_has_each_finding_once_whatever_was_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "f.ndjson"
    everything = [(number, finding(number)) for number in range(1, 6)]
    Journal(path).append(everything[:3])
    path.write_bytes(path.read_bytes()[: -cut or None])
    Journal(path).append(everything)
    Journal(path).append(everything)
    assert [json.loads(line)["number"] for line in path.read_text().splitlines()] == [1, 2, 3, 4, 5]


def test_a_journal_of_something_else_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "f.ndjson"
    path.write_text("a letter\n")
    with pytest.raises(ConfigError) as caught:
        Journal(path).append([(1, finding(1))])
    assert caught.value.reason == "output-unwritable"
    assert path.read_text() == "a letter\n"


def test_metrics_have_a_line_for_each_tree_and_kind() -> None:
    text = prometheus([KEPT], [finding(1), finding(2)], at=9, unchecked=1)
    assert 'gitsign_monitor_tree_size{tree="a \\"tree\\"",url="https://log.example.com"} 5\n' in text
    assert 'gitsign_monitor_findings{kind="watch-hit",severity="hit"} 2\n' in text
    assert text.count("gitsign_monitor_findings{") == len(KINDS)
    assert "gitsign_monitor_unchecked_logs 1\n" in text
    assert text.endswith("\n")


def test_sarif_is_what_its_schema_says() -> None:
    schema = json.loads((PUBLISHED / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    text = sarif([finding(1), head_finding("log-forked", (5, root(5)), head(9, root(9)), 1)])
    jsonschema.validate(json.loads(text), schema)

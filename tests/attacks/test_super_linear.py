"""Input that costs its reader more than it costs to write: a quadratic one holds a commit, a note, a log's answer.

The check of JSON's depth read an unclosed string once for each quotation mark in it: 100 KB took minutes. Here each
regular expression of the package and each reader gets inputs that grow fourfold, and its cost may not grow faster.
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gitsign_py import errors
from gitsign_py.agent.protocol import ProtocolError, unpack_fields
from gitsign_py.audit import scan, updates
from gitsign_py.clients.answer import Answer
from gitsign_py.core import dsse, encoding
from gitsign_py.core.git import armor, foreignsig, gitobject, gittext
from gitsign_py.core.pki import certificate, cms, der, timestampbuild
from gitsign_py.core.printing import printable
from gitsign_py.core.sigstore import bundle, pemtrust, token
from gitsign_py.core.tlog import checkpoint, logentry, note, sct
from gitsign_py.core.trust import clientconfig, signingconfig
from gitsign_py.core.trust import root as trust
from gitsign_py.host.git import config as gitconfig
from gitsign_py.host.git import program as gitprogram
from gitsign_py.host.git import setup as gitsetup
from gitsign_py.localstack.fulcio import issuers
from gitsign_py.policy import cases, names, parse, patterns, sshkey, trees
from gitsign_py.source import provenance
from gitsign_py.verification.allowed import parse_allowed_signer
from tests.support.doubling import SuperLinearError, check_linear
from tests.support.expressions import expressions, files, shapes, suspicions
from tests.support.pushserver import POLICY
from tests.support.source import PACKAGE, modules, text

# Very many calls of what other tests measure.
pytestmark = pytest.mark.no_cover

# --- the check itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "is_linear"),
    [
        (lambda text: text.count("a"), True),
        (sorted, True),
        (lambda text: sum(len(text[at:]) for at in range(len(text))), False),
        (lambda text: re.match("(?:a|a)*b", text), False),
        (lambda text: re.findall("a+b", text), False),
        (lambda text: re.findall("a++b|a", text), False),
    ],
    ids=["count", "sorted", "slices", "exponential", "quadratic", "possessive and quadratic"],
)
def test_the_check_tells_them_apart(
    function: Callable[[str], object], is_linear: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.doubling.PAUSES", (0.0, 0.0))
    try:
        check_linear("x", function, lambda count: "a" * count, most=1 << 20, longest=0.5)
    except SuperLinearError:
        assert not is_linear
    else:
        assert is_linear


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(?:a|a)*b", "(?:ab|a.)*c", "(?:.|a)*b", "(a*)*b", "((a+))*b", "(?:a*b*)*c"]
)
def test_suspicions(pattern: str) -> None:
    assert suspicions(re.compile(pattern))


# --- regular expressions ---------------------------------------------------------------------------------------------

# Those that are put together while the program runs, as long as they may become; all are asked for full matches.
COMPOSED: dict[str, list[re.Pattern[Any]]] = {
    "errors.py:veiled": [re.compile(pattern, re.DOTALL) for pattern in (errors._JSON, *errors._SURE, errors._MAYBE)],
    "core/dsse.py:_is_digest": [re.compile("[0-9a-f]{128}")],
    "localstack/fulcio/issuers.py:_wild": [
        issuers._wild(url) for url in ("https://oidc.eks.*.example.com/id/*", "https://*-a.example.com:8443/x*b/*/c")
    ],
    "localstack/rekor/rekorkinds.py:_hashedrekord": [re.compile("[0-9a-fA-F]{128}")],
    "policy/propose.py:_name": [re.compile(re.escape("a-b") + r"(-\d+)?")],
    "policy/patterns.py:_glob_regexp": [
        patterns._glob_regexp(glob)
        for glob in ("/a/*", "/**/a*b/**/c?d", "refs/heads/**", "/*a*a*b", "/**/*/*/x", "/?*?*/**", "/**/a/**/a/**/b")
    ],
}
ALL_FINDINGS = frozenset(("finditer", "findall", "sub", "subn", "split"))
"""The same search for each of them, from where the one before ended."""


def test_every_expression_is_found() -> None:
    found = [one for path in files() for one in expressions(path)]
    assert {one.place for one in found if one.pattern is None} == set(COMPOSED)
    assert len(found) > 60
    source = "".join(map(text, modules()))
    assert not re.search("import re as|from re import|import regex", source), "by another name it would not be found"
    known = {"encoding.py", "locate.py", "gitobject.py", "scan.py", "fulcio.py", "document.py"}
    assert known <= {one.place.rpartition(":")[0].rpartition("/")[2] for one in found}


def used(pattern: re.Pattern[Any], methods: frozenset[str], words: str) -> None:
    """Do with it what the source does."""
    data: Any = words if isinstance(pattern.pattern, str) else words.encode("latin-1", "replace")
    if methods & ALL_FINDINGS:
        pattern.sub(data[:0], data)
    for method in methods - ALL_FINDINGS:
        getattr(pattern, method)(data)


@cache
def check_expression(pattern: re.Pattern[Any], methods: frozenset[str]) -> None:
    assert not suspicions(pattern)
    for start, unit, end in sorted(shapes(pattern)):
        name = f"{pattern.pattern!r} on {(start, unit, end)}"
        run = partial(used, pattern, methods)
        check_linear(name, run, lambda count: start + unit * count + end, most=1 << 14)  # noqa: B023


@pytest.mark.parametrize("path", files(), ids=[path.relative_to(PACKAGE).as_posix() for path in files()])
def test_expressions(path: Path) -> None:
    """Those of one file."""
    for one in expressions(path):
        if one.pattern is not None:
            check_expression(one.pattern, one.methods)


@pytest.mark.parametrize("place", COMPOSED)
def test_expressions_that_are_put_together(place: str) -> None:
    for pattern in COMPOSED[place]:
        check_expression(pattern, frozenset(("fullmatch",)))


# --- readers ---------------------------------------------------------------------------------------------------------


def answered(data: bytes) -> None:
    answer = Answer("the log", "GET", "https://log.example.com", 200, {"date": data.decode("latin-1")}, data)
    answer.date()
    answer.json()


def scanned(data: bytes) -> None:
    scan.scan(gitobject.object_id("commit", data), "commit", data)


def requested(data: bytes) -> None:
    with suppress(ProtocolError):
        unpack_fields(data)


def walked(data: bytes) -> None:
    """Everything that is inside, as deep as it goes at the front."""
    element = der.parse(data)
    for _ in range(64):
        found = element.children()
        element = found[0]


def stated(data: bytes) -> None:
    """Source provenance whose texts are what somebody chose."""
    text = data.decode("latin-1")
    controls = [{"name": text, "since": {"revision": "a" * 40, "time": text}}]
    policy = {"uri": text, "digest": {"sha256": text}}
    given = {"repository": text, "ref": text, "newId": text, "policy": policy, "controls": controls, "updatedOn": text}
    subject = dsse.Subject("", {"gitCommit": text})
    provenance.read_provenance(dsse.Statement("", (subject,), provenance.PREDICATE, given))


def policy_with(data: bytes) -> None:
    parse.read_policy(POLICY.encode() + data, "policy.toml")


MAIL = b"tree " + b"4b825dc642cb6eb9a060e54bf8d69288fbee4904" + b"\nauthor A <a@example.com> 1 +0000\n"
HEADER = MAIL + b"committer A <a@example.com> 1 +0000\n"
READERS: dict[str, Callable[[bytes], object]] = {
    "armor": armor.dearmor,
    "armored": lambda data: armor.dearmor(armor.armor(data)),
    "bundle": bundle.parse_bundle,
    "certificate": certificate.parse_certificate,
    "PEM chain": certificate.parse_pem_chain,
    "PEM": lambda data: encoding.pem_decode(data, "A"),
    "checkpoint": checkpoint.parse_checkpoint,
    "note": note.parse_note,
    "client configuration": clientconfig.parse_client_trust_config,
    "CMS": cms.parse_signed_data,
    "DER": walked,
    "OID": lambda data: der.read_oid(der.Element(der.OID, data, data)),
    "named bits": lambda data: der.read_named_bits(der.Element(der.BIT_STRING, data, data)),
    "integer": lambda data: der.read_integer(der.Element(der.INTEGER, data, data)),
    "DER time": lambda data: der.read_time(der.Element(der.GENERALIZED_TIME, data, data)),
    "statement": dsse.parse_statement,
    "source provenance": stated,
    "base64": encoding.b64_decode,
    "hex": lambda data: encoding.hex_decode(data.decode("latin-1")),
    "decimal": lambda data: encoding.decimal_decode(data.decode("latin-1")),
    "RFC 3339": lambda data: encoding.parse_rfc3339(data.decode("latin-1")),
    "JSON": lambda data: encoding.load_json(data, max_bytes=1 << 24),
    "JSON in brackets": lambda data: encoding.load_json(b"[" * 70 + data, max_bytes=1 << 24, max_depth=1 << 20),
    "OpenPGP signature": foreignsig.openpgp_fingerprint,
    "OpenPGP packet": lambda data: foreignsig.openpgp_fingerprint(b"\n" + b64encode(data) + b"\n="),
    "SSH signature": foreignsig.ssh_public_key,
    "commit": gitobject.split_commit,
    "header of a commit": lambda data: gitobject.split_commit(HEADER + data + b"\n\nx\n"),
    "parents of a commit": lambda data: gitobject.split_commit(MAIL.replace(b"author", data + b"\nauthor")),
    "signature of a commit": lambda data: gitobject.split_commit(HEADER + b"gpgsig " + data + b"\n\nx\n"),
    "message of a commit": lambda data: gitobject.split_commit(HEADER + b"\n" + data).subject,
    "tag": gitobject.split_tag,
    "scanned commit": scanned,
    "scanned message": lambda data: scanned(HEADER + b"\n" + data),
    "person": gittext.split_person,
    "person's time": lambda data: gittext.split_person(b"A <a@example.com>" + data),
    "committer": gittext.committer_of,
    "subject": lambda data: gittext.subject_line(data, "utf-8"),
    "log entry": logentry.decode_entry,
    "log entry in JSON": lambda data: logentry.entry_from_protojson(encoding.load_json(data, max_bytes=1 << 24)),
    "hashedrekord": logentry.parse_hashedrekord,
    "kind of a body": logentry.body_kind,
    "authorities in PEM": pemtrust.authorities_from_pem,
    "logs in PEM": pemtrust.logs_from_pem,
    "SCT list": sct.parse_sct_list,
    "signing configuration": signingconfig.parse_signing_config,
    "time-stamp request": timestampbuild.parse_request,
    "time-stamp response": timestampbuild.parse_response,
    "time-stamp info": timestampbuild.parse_tst_info,
    "token": lambda data: token.parse_unverified(data.decode("latin-1")),
    "payload of a token": lambda data: token.parse_unverified(f"e30.{urlsafe_b64encode(data).decode().rstrip('=')}.AA"),
    "trust root": trust.parse_trusted_root,
    "policy": lambda data: parse.read_policy(data, "policy.toml"),
    "end of a policy": policy_with,
    "value in a policy": lambda data: policy_with(b"\nx = " + data),
    "cases of a policy": lambda data: cases.parse_cases(data, "cases.toml"),
    "SSH key": lambda data: sshkey.ssh_fingerprint(data.decode("latin-1")),
    "tree": lambda data: trees.parse_tree(data, 20),
    "look-alike name": lambda data: names.looks_like(data, ".gitsign"),
    "updates": updates.parse_updates,
    "push": updates.parse_push,
    "rewrites": updates.parse_rewrites,
    "git's settings": gitconfig.parse_git_config,
    "git's words": gitprogram.first_words,
    "allowed signer": lambda data: parse_allowed_signer(data.decode("latin-1")),
    "fields of a request": requested,
    "words for a terminal": lambda data: printable(data.decode("latin-1")),
    "a server's answer": answered,
}
# What the formats are made of, and the findings of the fuzzers; a reader gets each of them very often.
WORDS = [
    *(b'"', b'\\"', b"\\", b"'", b"'''", b'"""', b"[", b"{", b"]", b"[]", b"{}", b"[],", b"{},", b'"a":1,', b'{"a":'),
    *(b"1", b"-1", b"1.", b"1e", b"0", b",", b":", b"=", b"a.", b"a=1\n", b"[a]\n", b"[[a]]\n", b"#", b"*", b"a*"),
    *(b"\n", b"\n\n", b"\r\n", b" ", b"\t", b"\x00", b"\x30\x80", b"\x30\x00", b"\x02\x01\x00", b"\x31\x02\x05\x00"),
    *(b"\x0a\x00", b"\x80", b"\xff", b"\x7f", b"-----BEGIN A-----\n", b"-----END A-----\n", b"AAAA", b"AAAA\n"),
    *(b"-----BEGIN A-----\nAAAA\n-----END A-----\n", b"-----BEGIN CERTIFICATE-----\n"),
    *(b"-----BEGIN PGP SIGNATURE-----\n", b"-----BEGIN SSH SIGNATURE-----\n", b"gpgsig x\n", b"mergetag x\n x\n"),
    *(b"parent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n", b" x\n", b"a b\n", b"<", b">"),
    *("\u2014 a AAAAAAAA\n".encode(), "\u0301".encode(), "\u0301\u0316".encode(), "\u1e9e".encode(), b"\xed\xa0\x80"),
    *(b"100644 a\x00" + bytes(20), b"40000 a\x00", b"a" * 40 + b" " + b"b" * 40 + b" refs/heads/a\n"),
    *(b"file:a\x00a.b\nc\x00", b"fatal: a\n", b"error: a\n", b"\n\ta"),
]
SIZE = 1 << 15


@pytest.mark.parametrize("name", READERS)
def test_readers(name: str) -> None:
    """As much of each as fits 32 KiB, by itself and in a string of JSON."""
    for word in WORDS:
        for start, end in ((b"", b""), (b'{"a": "', b'"}')):
            check_linear(
                f"{name} on {start + word!r}",
                READERS[name],
                lambda count: start + word * (count // len(word) + 1) + end,  # noqa: B023
                most=SIZE,
            )


CORPUS = Path(__file__).parents[1] / "fuzz/corpus"
SEEDS = sorted(path for path in CORPUS.rglob("*") if path.is_file())


@pytest.mark.parametrize("folder", sorted({path.parent.name for path in SEEDS}))
def test_readers_on_what_the_fuzzers_begin_with(folder: str) -> None:
    """What is well-formed but for its middle, which is repeated or grown."""
    target = import_module(f"tests.fuzz.{folder}").one_input
    for path in [seed for seed in SEEDS if seed.parent.name == folder]:
        data = path.read_bytes()
        for cut in (len(data) // 4, len(data) // 2, 3 * len(data) // 4):
            for word in (b'"', b'\\"', b"A", b"[", b"\x30\x80", b"\n", data[cut : cut + 40], data[cut // 2 : cut]):
                if word:
                    check_linear(
                        f"{path.name} at {cut} with {word[:40]!r}",
                        target,
                        lambda count: data[:cut] + word * (count // len(word) + 1) + data[cut:],  # noqa: B023
                        most=SIZE,
                    )


def test_one_unclosed_string_of_100_kilobytes() -> None:
    """The finding itself, through what reads a note."""
    for unit in ('\\"', '"', '"a', '[\\"'):
        check_linear(
            f"JSON of {unit}",
            lambda data: encoding.load_json(data, max_bytes=1 << 24),
            lambda count: b"[" * 65 + b'"' + unit.encode() * count,  # noqa: B023
            most=1 << 17,
        )


def test_git_settings_file() -> None:
    for line in ("[a " + '"' * 9, "[a\n", "[a] b =\n", " " * 40 + "[", '[a "\\'):
        check_linear("settings", gitsetup._SECTION.match, lambda count: line * count, most=1 << 15)  # noqa: B023

"""Step 0, the object, and 1.1 and 1.2, the signature's form."""

import base64

from gitsign_py.core.pki import der, oids
from tests.support.forge import (
    COMMIT,
    PERSON,
    TAG,
    TREE,
    Forged,
    attribute,
    forge,
    join,
    signer_info,
)
from tests.support.forgedworld import World, key, sign
from tests.vectors.case import Case

OTHER_TREE = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
_TREE_LINE = b"tree " + TREE + b"\n"
_AUTHOR, _COMMITTER = b"author " + PERSON + b"\n", b"committer " + PERSON + b"\n"
_NULL_ATTRIBUTE = attribute("1.3.6.1.4.1.99999.1", der.null())


def _object(name: str, title: str, reason: str, payload: bytes) -> Case:
    """A payload that its signer did sign as it is."""
    return Case(name, title, "0", reason, lambda world: forge(world, payload=payload))


def _second_signer(good: bool, first_good: bool) -> Case:
    def make(world: World) -> Forged:
        leaf = world.leaf()

        def signers(parts: list[bytes]) -> list[bytes]:
            other = signer_info(leaf, b"", sign(key(20 if good else 21), COMMIT))
            return [*parts, other]

        return forge(world, leaf=leaf, signers=signers, signature=lambda made: made if first_good else made[:-1] + b"x")

    count = "two" if good and first_good else "one" if good or first_good else "none"
    return Case(
        f"signers-several-{count}-good",
        f"two signers of which {count} verifies",
        "1.2",
        "cms-signers-several",
        make,
    )


def _stored(name: str, title: str, step: str, reason: str, old: bytes, new: bytes) -> Case:
    """A good commit whose stored bytes were changed afterwards."""

    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return Case(name, title, step, reason, lambda world: forge(world, stored=change))


def _der(name: str, title: str, reason: str, step: str = "1.1", **changes: object) -> Case:
    return Case(name, title, step, reason, lambda world: forge(world, **changes))  # type: ignore[arg-type]


def _indefinite(whole: bytes) -> bytes:
    return b"\x30\x80" + der.parse(whole).content + b"\x00\x00"


def _long_length(whole: bytes) -> bytes:
    content = der.parse(whole).content
    return b"\x30\x83" + len(content).to_bytes(3, "big") + content


def _armor(lines: list[bytes]) -> bytes:
    return b"\n".join(lines) + b"\n"


def _wide_armor(text: bytes) -> bytes:
    body = b"".join(text.split(b"\n")[1:-2])
    return b"-----BEGIN SIGNED MESSAGE-----\n" + body + b"\n-----END SIGNED MESSAGE-----\n"


def _loose_base64(text: bytes) -> bytes:
    """Another spelling of the same bytes: bits after the end of the data (RFC 4648 §3.5)."""
    whole = base64.b64decode(b"".join(text.split(b"\n")[1:-2]))
    body = base64.b64encode(whole).decode()
    if not body.endswith("="):
        raise AssertionError("this signature leaves no spare bits")
    place = len(body.rstrip("="))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = body[: place - 1] + alphabet[alphabet.index(body[place - 1]) + 1] + body[place:]
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return _armor([b"-----BEGIN SIGNED MESSAGE-----", *(line.encode() for line in lines), text.split(b"\n")[-2]])


def _pgp(text: bytes) -> bytes:
    return text.replace(b"SIGNED MESSAGE", b"PGP SIGNATURE")


CASES = (
    _object(
        "tree-twice", "two tree headers", "header-duplicate", COMMIT.replace(_AUTHOR, _AUTHOR + _COMMITTER + _TREE_LINE)
    ),
    _object(
        "tree-twice-at-the-top",
        "two tree headers at the top (CVE-2026-44309)",
        "header-order",
        COMMIT.replace(_TREE_LINE, _TREE_LINE + b"tree " + OTHER_TREE + b"\n"),
    ),
    _object(
        "parent-after-author",
        "a parent where only a lenient reader sees it",
        "header-order",
        COMMIT.replace(_COMMITTER, _COMMITTER + b"parent " + OTHER_TREE + b"\n"),
    ),
    _object("author-twice", "two author headers", "header-order", COMMIT.replace(_AUTHOR, _AUTHOR + _AUTHOR)),
    _object(
        "author-again",
        "a second author after the committer",
        "header-duplicate",
        COMMIT.replace(_COMMITTER, _COMMITTER + _AUTHOR),
    ),
    _object("tree-missing", "no tree", "header-missing", COMMIT.replace(_TREE_LINE, b"")),
    _object(
        "author-continued",
        "an author header that goes on on the next line",
        "header-continuation",
        COMMIT.replace(_COMMITTER, b" more\n" + _COMMITTER),
    ),
    _object(
        "tree-uppercase",
        "an object name in capital letters",
        "object-name-invalid",
        COMMIT.replace(TREE, TREE.upper()),
    ),
    _object(
        "tree-of-other-algorithm",
        "a tree named by SHA-256 in a SHA-1 repository",
        "object-name-invalid",
        COMMIT.replace(TREE, b"a" * 64),
    ),
    _object("header-nul", "a NUL inside the header", "header-nul", COMMIT.replace(b"Alice", b"Al\0ce", 1)),
    Case(
        "gpgsig-twice",
        "two gpgsig headers",
        "0",
        "signature-duplicate",
        lambda world: forge(world, stored=lambda data: join("commit", data, b"-----BEGIN SIGNED MESSAGE-----\nx\n")),
    ),
    Case(
        "gpgsig-unknown-kind",
        "an unsigned header whose name starts with gpgsig",
        "0",
        "signature-header-unknown",
        lambda world: forge(world, stored=lambda data: join("commit", data, b"hidden", b"gpgsig-x")),
    ),
    Case(
        "gpgsig-sha256-alone",
        "in a SHA-1 repository the signature stands under the name for SHA-256",
        "0",
        "signature-other-hash",
        lambda world: forge(world, stored=lambda data: data.replace(b"\ngpgsig ", b"\ngpgsig-sha256 ")),
    ),
    Case(
        "tag-two-signature-headers",
        "a tag with both kinds of signature header",
        "0",
        "signature-duplicate",
        lambda world: forge(
            world, kind="tag", stored=lambda data: data.replace(b"\n\n", b"\ngpgsig a\ngpgsig-sha256 b\n\n", 1)
        ),
    ),
    Case(
        "unsigned",
        "no signature at all",
        "0",
        "unsigned",
        lambda world: forge(world, stored=lambda _: COMMIT),
    ),
    Case("pgp-label", "the armor says PGP", "0", "signature-format-unsupported", lambda w: forge(w, armored=_pgp)),
    _stored("message-changed", "the message was changed", "3.3", "content-digest-mismatch", b"\n\nhello", b"\n\nHello"),
    _stored(
        "author-changed", "the author was changed", "3.3", "content-digest-mismatch", b"author Alice", b"author Alicf"
    ),
    _stored("tree-changed", "the tree was changed", "3.3", "content-digest-mismatch", TREE, OTHER_TREE),
    _stored("newline-lost", "the last newline was cut", "3.3", "content-digest-mismatch", b"hello\n", b"hello"),
    _stored("carriage-return", "CRLF in place of LF", "3.3", "content-digest-mismatch", b"hello\n", b"hello\r\n"),
    _stored("nul-appended", "a NUL after the message", "3.3", "content-digest-mismatch", b"hello\n", b"hello\n\0"),
    _stored(
        "parent-added",
        "a parent was put in",
        "3.3",
        "content-digest-mismatch",
        b"\nauthor",
        b"\nparent " + OTHER_TREE + b"\nauthor",
    ),
    _stored(
        "mergetag-added",
        "an unsigned mergetag header was put in",
        "3.3",
        "content-digest-mismatch",
        b"\ngpgsig ",
        b"\nmergetag object " + OTHER_TREE + b"\n type commit\ngpgsig ",
    ),
    _stored(
        "encoding-added",
        "an encoding header after the signature",
        "3.3",
        "content-digest-mismatch",
        b"-----END SIGNED MESSAGE-----\n\n",
        b"-----END SIGNED MESSAGE-----\nencoding UTF-7\n\n",
    ),
    Case(
        "tag-signature-on-commit",
        "a tag's signature moved onto a commit",
        "3.3",
        "content-digest-mismatch",
        lambda world: forge(world, signed_payload=TAG),
    ),
    Case(
        "commit-signature-on-tag",
        "a commit's signature moved onto a tag",
        "3.3",
        "content-digest-mismatch",
        lambda world: forge(world, kind="tag", signed_payload=COMMIT),
    ),
    _stored("armor-crlf", "CRLF in the armor", "1.1", "armor-invalid", b"MESSAGE-----\n ", b"MESSAGE-----\r\n "),
    _stored(
        "armor-header",
        "a header inside the armor",
        "1.1",
        "armor-invalid",
        b"MESSAGE-----\n ",
        b"MESSAGE-----\n A: b\n ",
    ),
    _der("armor-wide", "armor in one long line", "armor-invalid", armored=_wide_armor),
    _der("armor-loose-base64", "base64 with bits after its end", "armor-invalid", armored=_loose_base64),
    _der(
        "armor-text-before", "text before the armor", "signature-format-unsupported", "0", armored=lambda t: b"x\n" + t
    ),
    _der("armor-text-after", "text after the armor", "armor-invalid", armored=lambda text: text + b"x\n"),
    _der("armor-twice", "two blocks", "armor-invalid", armored=lambda text: text + text),
    _der("der-trailing", "a byte after the ContentInfo", "der-trailing", der_bytes=lambda whole: whole + b"\0"),
    _der("der-trailing-outer", "an element after the content", "der-trailing", cms={"outer_trailing": der.null()}),
    _der("der-trailing-inner", "an element after the signers", "der-trailing", cms={"trailing": der.null()}),
    _der("der-trailing-signer", "an element after the signer's", "der-trailing", signer={"trailing": der.null()}),
    _der("der-truncated", "cut off", "der-truncated", der_bytes=lambda whole: whole[:-1]),
    _der("der-indefinite", "indefinite length (BER)", "der-length", der_bytes=_indefinite),
    _der("der-long-length", "a length in more bytes than it needs (BER)", "der-length", der_bytes=_long_length),
    _der("not-signed-data", "CMS of another type", "cms-not-signed-data", cms={"content_type": oids.DATA}),
    _der("cms-version", "SignedData of version 3 without a reason", "cms-version", cms={"version": 3}),
    _der("signer-version", "SignerInfo of version 3 without a reason", "cms-version", signer={"version": 3}),
    _der("crls", "revocation lists inside", "der-unexpected-tag", cms={"crls": der.context(1, der.sequence())}),
    _der("signers-none", "no signer", "cms-signers-none", "1.2", signers=lambda _: []),
    _second_signer(good=True, first_good=True),
    _second_signer(good=False, first_good=True),
    _second_signer(good=False, first_good=False),
    _der("signer-not-in-certificates", "no certificates", "cms-signer-not-found", "1.2", certificates=lambda _: []),
    _der(
        "signer-other-serial",
        "the signer's serial number is of no certificate",
        "cms-signer-not-found",
        "1.2",
        certificates=lambda parts: parts,
        signer={"sid": der.sequence(der.sequence(), der.integer(7))},
    ),
    Case(
        "signer-ambiguous",
        "two certificates answer to the signer's name",
        "1.2",
        "cms-signer-ambiguous",
        lambda world: forge(world, certificates=lambda parts: [*parts, world.leaf(number=21).raw]),
    ),
    _der(
        "attribute-unknown",
        "an unsigned attribute of no known use",
        "cms-attribute-unknown",
        "1.2",
        unsigned=lambda parts: sorted([*parts, _NULL_ATTRIBUTE]),
    ),
    _der(
        "unsigned-attribute-twice",
        "the log entry stands twice",
        "cms-attribute-repeated",
        unsigned=lambda parts: parts * 2,
    ),
    _der(
        "timestamp-twice",
        "two timestamps, of which readers may take either",
        "cms-attribute-values",
        "1.2",
        timestamp={},
        unsigned=lambda parts: [_doubled(part) for part in parts],
    ),
    _der(
        "attached-other-content",
        "content of its own, not the object's",
        "cms-content-attached",
        "3.3",
        cms={"content": der.sequence(der.oid(oids.DATA), der.context(0, der.octet_string(b"other")))},
    ),
    _der(
        "content-type-outer",
        "content of another type than id-data",
        "cms-version",
        cms={"content": der.sequence(der.oid(oids.TST_INFO))},
    ),
    _der(
        "content-type-outer-version-3",
        "content of another type than id-data, version and all",
        "cms-content-type-wrong",
        "3.1",
        cms={"content": der.sequence(der.oid(oids.TST_INFO)), "version": 3},
    ),
)


def _doubled(part: bytes) -> bytes:
    oid, values = der.parse(part).children()
    if der.read_oid(oid) != oids.TIMESTAMP_TOKEN:
        return part
    return attribute(oids.TIMESTAMP_TOKEN, values.content, values.content)

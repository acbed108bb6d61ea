"""Git commits and tags as stored bytes: split into what was signed and the signature, and joined again.

Everything here cuts slices out of the bytes that git stores and never writes a parsed object anew, so a CR, a NUL, a
line of any length or a missing final newline reaches the signature check as it is. That is the lesson of advisory
CVE-2026-44309: what was verified there was a second spelling of the object, and the stored one could differ.

The rules are git's own (2.39): ``parse_buffer_signed_by_header`` and ``remove_signature`` in commit.c,
``parse_signed_buffer`` and ``get_format_by_sig`` in gpg-interface.c, ``fsck_commit`` and ``fsck_tag`` in fsck.c. Where
git would let a signed object carry unsigned or ambiguous headers, this module refuses it.
"""

import re
from typing import Literal

from gitsign_py.core import digests
from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.gittext import subject_line
from gitsign_py.core.git.headers import (
    SIGNATURE_HEADERS,
    Header,
    cut_header,
    expect,
    refuse_again,
    take_signatures,
)
from gitsign_py.core.pattern import pattern
from gitsign_py.errors import FormatError

HashAlgorithm = Literal["sha1", "sha256"]
SignedKind = Literal["commit", "tag"]
SignatureFormat = Literal["x509", "openpgp", "ssh", "unknown"]

HEX_DIGITS: dict[HashAlgorithm, int] = {"sha1": 40, "sha256": 64}

# gpg_format in git's gpg-interface.c; git compares the start of the line, not the whole of it.
_MARKERS: tuple[tuple[bytes, SignatureFormat], ...] = (
    (b"-----BEGIN PGP SIGNATURE-----", "openpgp"),
    (b"-----BEGIN PGP MESSAGE-----", "openpgp"),
    (b"-----BEGIN SIGNED MESSAGE-----", "x509"),
    (b"-----BEGIN SSH SIGNATURE-----", "ssh"),
)
_IN_BODY_SIGNATURE = pattern(rb"^(?:" + b"|".join(re.escape(marker) for marker, _ in _MARKERS) + rb")", re.MULTILINE)
_HEX = pattern(rb"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_TARGET_KINDS = (b"commit", b"tag", b"tree", b"blob")

# The headers that stand at the top, in this order, once each (but parent), on one line each (fsck.c).
_COMMIT_TOP = (b"tree", b"parent", b"author", b"committer")
_TAG_TOP = (b"object", b"type", b"tag", b"tagger")


@frozen
class SignedObject:
    """A commit or tag, split.

    ``payload`` is what git gives to the signing program; ``signature`` the armored bytes as git hands them over, or
    None for an unsigned object. ``other_signature`` is the one that a signature header holds for the other hash
    algorithm (hash-function-transition); git does not verify it, nor is it signed, so beside ``signature`` it stands in
    repositories of two hash algorithms alone. ``headers`` are all headers but signatures, in their order. Object names
    are lower-case hex. ``tree``, ``parents``, ``author`` and ``committer`` belong to commits, ``target``,
    ``target_kind``, ``name`` and ``tagger`` to tags; person lines are raw bytes.
    """

    kind: SignedKind
    algorithm: HashAlgorithm
    payload: bytes
    signature: bytes | None
    other_signature: bytes | None
    headers: tuple[Header, ...]
    message: bytes
    tree: str = ""
    parents: tuple[str, ...] = ()
    author: bytes = b""
    committer: bytes = b""
    target: str = ""
    target_kind: str = ""
    name: bytes = b""
    tagger: bytes = b""

    @property
    def subject(self) -> str:
        """The first paragraph of the message on one line, for people to read."""
        return subject_line(self.message, self.encoding)

    @property
    def encoding(self) -> str:
        """The value of the ``encoding`` header, ``utf-8`` without one (git's i18n.commitEncoding default)."""
        values = [header.value for header in self.headers if header.name == b"encoding"]
        return values[0].decode("ascii", "replace") if values else "utf-8"


def split_object(
    kind: str, data: bytes, algorithm: HashAlgorithm | None = None, *, two_hashes: bool = False
) -> SignedObject:
    """Split a commit or a tag. Raises FormatError ``object-kind`` for another kind; see the two functions below."""
    if kind == "commit":
        return split_commit(data, algorithm, two_hashes=two_hashes)
    if kind == "tag":
        return split_tag(data, algorithm, two_hashes=two_hashes)
    raise FormatError("object-kind", f"a {kind} is not a commit or a tag", facts={"kind": kind})


def split_commit(data: bytes, algorithm: HashAlgorithm | None = None, *, two_hashes: bool = False) -> SignedObject:
    """Split the raw content of a commit (git's commit.c, ``parse_buffer_signed_by_header``).

    ``algorithm`` is the repository's; without it the length of the tree's name tells. ``two_hashes`` says that the
    repository has two (extensions.compatObjectFormat), or that the signature does not matter to the caller: a second
    signature may stand beside the first. Raises FormatError:
    ``header-too-large``, ``header-unterminated``, ``header-nul``, ``header-invalid``, ``header-continuation``,
    ``header-order``, ``header-duplicate``, ``header-missing``, ``object-name-invalid``, ``signature-duplicate``,
    ``signature-second``, ``signature-empty``, ``signature-header-unknown``.
    """
    header_bytes, body = cut_header(data)
    kept, headers, signatures = take_signatures(header_bytes, _COMMIT_TOP)
    tree, position = expect(headers, 0, b"tree"), 1
    while position < len(headers) and headers[position].name == b"parent":
        position += 1
    author, committer = expect(headers, position, b"author"), expect(headers, position + 1, b"committer")
    refuse_again(headers[position + 2 :], _COMMIT_TOP)
    found = _algorithm_of(tree, algorithm)
    signature, other = (signatures.get(SIGNATURE_HEADERS[each]) for each in (found, _other(found)))
    if signature is not None and other is not None:
        _check_second("commit", SIGNATURE_HEADERS[_other(found)], other, two_hashes=two_hashes)
    return SignedObject(
        kind="commit",
        algorithm=found,
        payload=kept + body,
        signature=signature,
        other_signature=other,
        headers=headers,
        message=body[1:],
        tree=_object_name(tree, found),
        parents=tuple(_object_name(parent.value, found) for parent in headers[1:position]),
        author=author,
        committer=committer,
    )


def split_tag(data: bytes, algorithm: HashAlgorithm | None = None, *, two_hashes: bool = False) -> SignedObject:
    """Split the raw content of a tag (git's gpg-interface.c, ``parse_signature``).

    The signature is everything from the last line that starts with one of git's BEGIN markers. A signature header is
    there for the other hash algorithm only; two of them are refused, since git 2.39 drops but one of two that follow
    each other. Beside the signature in the body it needs ``two_hashes``, as in a commit. A tag without tagger, as the
    oldest have it, passes. Raises FormatError as :func:`split_commit` does.
    """
    start = _signature_start(data)
    header_bytes, body = cut_header(data[:start])
    kept, headers, signatures = take_signatures(header_bytes, _TAG_TOP)
    if len(signatures) > 1:
        raise FormatError("signature-duplicate", "the tag has two signature headers")
    target, kind = expect(headers, 0, b"object"), expect(headers, 1, b"type")
    name, found = expect(headers, 2, b"tag"), _algorithm_of(target, algorithm)
    if kind not in _TARGET_KINDS:
        raise FormatError("header-invalid", "the tag's type header names no kind of object", facts={"type": kind.hex()})
    for header, other in signatures.items() if data[start:] else ():
        _check_second("tag", header, other, two_hashes=two_hashes and header == SIGNATURE_HEADERS[_other(found)])
    tagger = headers[3].value if len(headers) > 3 and headers[3].name == b"tagger" else b""
    refuse_again(headers[4 if tagger else 3 :], _TAG_TOP)
    return SignedObject(
        kind="tag",
        algorithm=found,
        payload=kept + body,
        signature=data[start:] or None,
        other_signature=next(iter(signatures.values()), None),
        headers=headers,
        message=body[1:],
        target=_object_name(target, found),
        target_kind=kind.decode("ascii"),
        name=name,
        tagger=tagger,
    )


def join_commit(payload: bytes, armored: bytes, algorithm: HashAlgorithm = "sha1") -> bytes:
    """Put a signature into an unsigned commit where git puts it: last in the header.

    The place is that of ``add_commit_signature`` in commit.c. ``armored`` ends with LF and holds no NUL. Raises
    FormatError ``signature-empty``, ``signature-unterminated``, ``signature-duplicate``, or what :func:`split_commit`
    finds wrong with the payload.
    """
    _check_armored(armored)
    before = split_commit(payload, algorithm)
    if before.signature is not None:
        raise FormatError("signature-duplicate", "the commit already has a signature")
    header_bytes, body = cut_header(payload)
    lines = armored[:-1].split(b"\n")
    return header_bytes + SIGNATURE_HEADERS[algorithm] + b" " + b"\n ".join(lines) + b"\n" + body


def join_tag(payload: bytes, armored: bytes, algorithm: HashAlgorithm | None = None) -> bytes:
    """Append a signature to an unsigned tag, as ``git tag -s`` does.

    Raises FormatError ``signature-ambiguous`` when git would read another payload or signature out of the result
    (payload without a final newline, a marker inside the signature), or as :func:`split_tag` does.
    """
    _check_armored(armored)
    data = payload + armored
    tag = split_tag(data, algorithm)
    if tag.signature != armored or tag.other_signature is not None:
        raise FormatError("signature-ambiguous", "the tag's signature would not be found again where it is put")
    return data


def id_with_header(payload: bytes, armored: bytes, algorithm: HashAlgorithm) -> str:
    """Name a tag as gitsign 0.16.0 and 0.16.1 did in online mode: with its signature in the header, as a commit's.

    No such object exists; the name is what these versions logged. Raises FormatError for a payload that is no tag.
    """
    _check_armored(armored)
    split_tag(payload, algorithm)
    header_bytes, body = cut_header(payload)
    header = b"gpgsig " + b"\n ".join(armored[:-1].split(b"\n")) + b"\n"
    return object_id("tag", header_bytes + header + body, algorithm)


def object_id(kind: str, data: bytes, algorithm: HashAlgorithm = "sha1") -> str:
    """Name an object: lower-case hex of the hash over ``kind SP size NUL data`` (git's object-file.c)."""
    digest = digests.new(algorithm, b"%s %d\0" % (kind.encode("ascii"), len(data)), more=len(data))
    digest.update(data)
    return digest.hexdigest()


def is_object_id(text: str) -> bool:
    """Say whether ``text`` is a full object id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits."""
    return bool(_HEX.match(text.encode("utf-8", "replace")))


def prove_object_id(oid: str, kind: str, data: bytes) -> None:
    """Check that ``oid`` names these bytes. Raises FormatError ``object-id-mismatch``.

    Plain SHA-1 does not notice the known collision attacks as git's own SHA-1 does; git refuses such objects when
    they enter a repository.
    """
    actual = object_id(kind, data, "sha1" if len(oid) == HEX_DIGITS["sha1"] else "sha256")
    if actual != oid:
        raise FormatError(
            "object-id-mismatch",
            f"the bytes stored for {oid} are those of {actual}",
            hint="the repository is damaged: run git fsck",
            facts={"object": oid, "actual": actual},
        )


def signature_format(armored: bytes) -> SignatureFormat:
    """Tell which kind of program a signature is for, by its first line's start (``get_format_by_sig``)."""
    return next((name for marker, name in _MARKERS if armored.startswith(marker)), "unknown")


def _signature_start(data: bytes) -> int:
    """Offset of the in-body signature: the last line that starts with a marker, or the end of the data."""
    start = len(data)
    for match in _IN_BODY_SIGNATURE.finditer(data):
        start = match.start()
    return start


def _check_second(kind: SignedKind, header: bytes, value: bytes, *, two_hashes: bool) -> None:
    """Refuse a signature header beside the signature that counts: git leaves each out of every payload.

    So anybody could add one to somebody's signed object. In a repository of two hash algorithms git writes it itself,
    over the object's other spelling, which is not here to be hashed (hash-function-transition, "Signed Commits").
    """
    if two_hashes and signature_format(value) != "unknown":
        return
    name = header.decode("ascii")
    raise FormatError(
        "signature-second",
        f"the {kind} has a {name} header beside its signature, and that signature does not cover it",
        hint="the signer's own object has another id; only a repository with extensions.compatObjectFormat has both",
        facts={"header": name},
    )


def _algorithm_of(name: bytes, expected: HashAlgorithm | None) -> HashAlgorithm:
    found: HashAlgorithm = "sha256" if len(name) == HEX_DIGITS["sha256"] else "sha1"
    return expected or found


def _other(algorithm: HashAlgorithm) -> HashAlgorithm:
    return "sha256" if algorithm == "sha1" else "sha1"


def _object_name(value: bytes, algorithm: HashAlgorithm) -> str:
    if len(value) != HEX_DIGITS[algorithm] or not _HEX.match(value):
        raise FormatError(
            "object-name-invalid",
            f"an object name in the header is not {HEX_DIGITS[algorithm]} lower-case hex digits",
            facts={"value": value[:80].hex()},
        )
    return value.decode("ascii")


def _check_armored(armored: bytes) -> None:
    if not armored:
        raise FormatError("signature-empty", "the signature is empty")
    if not armored.endswith(b"\n") or b"\0" in armored:
        raise FormatError("signature-unterminated", "the signature does not end with a newline or holds a NUL byte")

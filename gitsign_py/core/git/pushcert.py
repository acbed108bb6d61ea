"""A push certificate: what somebody signed with ``git push --signed`` (gitformat-signature(5), git's send-pack.c)."""

import re

from gitsign_py.core.frozen import frozen
from gitsign_py.errors import FormatError

_SIGNATURE = b"\n-----BEGIN "
_FIRST = "certificate version 0.1"
_UPDATE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) (refs/.+)\Z")
_NONCE = re.compile(r"([0-9]{1,12})-[0-9a-f]{4,128}\Z")


@frozen
class PushCertificate:
    """What the pusher signed: who they say they are, where the push goes, the server's nonce, and each change of a ref
    as old id, new id and name.
    """

    pusher: str
    pushee: str
    nonce: str
    updates: frozenset[tuple[str, str, str]]

    @property
    def issued(self) -> int | None:
        """When the server gave the nonce, in seconds since 1970; None for a nonce that is not of git's form."""
        match = _NONCE.match(self.nonce)
        return int(match[1]) if match else None


def split_certificate(data: bytes) -> tuple[bytes, bytes]:
    """The text that was signed, and the signature below it. Raises FormatError ``push-certificate-malformed``."""
    at = data.find(_SIGNATURE) + 1
    if not at:
        raise _malformed("has no signature")
    return data[:at], data[at:]


def parse_push_certificate(text: bytes) -> PushCertificate:
    """Read the text, which has been verified. Raises FormatError ``push-certificate-malformed``."""
    head, blank, body = text.decode("utf-8", "surrogateescape").partition("\n\n")
    first, *lines = head.split("\n")
    if first != _FIRST or not blank or not body.endswith("\n"):
        raise _malformed("is not of version 0.1")
    found: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(" ")
        if name != "push-option" and found.setdefault(name, value) != value:
            raise _malformed(f"has {name} twice")
    updates = [_UPDATE.match(line) for line in body[:-1].split("\n")]
    if not all(updates):
        raise _malformed("has a line that is no change of a ref")
    changes = frozenset((match[1], match[2], match[3]) for match in updates if match)
    return PushCertificate(found.get("pusher", ""), found.get("pushee", ""), found.get("nonce", ""), changes)


def _malformed(why: str) -> FormatError:
    return FormatError("push-certificate-malformed", f"the push certificate {why}")

"""A CT log by the read methods of RFC 6962 §4: tree head, proofs, entries. Nothing is verified here."""

from typing import Any

from gitsign_py.clients.answer import Answer
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.clients.urls import check_url, join_url
from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.tlog.ctleaf import CtEntry, read_ct_entry
from gitsign_py.core.tlog.entrytypes import MAX_HASHES
from gitsign_py.core.tlog.merkle import HASH_BYTES
from gitsign_py.errors import FormatError

SERVICE = "CT log"
MAX_BYTES = 64 << 20
"""Of an answer to get-entries: a certificate chain has some kilobytes, and servers give a thousand at most."""


@frozen
class IncludedAt:
    """The answer of get-proof-by-hash: the leaf's index and its audit path."""

    index: int
    path: tuple[bytes, ...]


class CtLogClient:
    """A CT log below its submission URL."""

    def __init__(self, session: HttpSession, url: str) -> None:
        check_url(SERVICE, url)
        self._session = session
        self._url = url

    def sth(self) -> Answer:
        """Fetch the signed tree head as it is answered (RFC 6962 §4.3)."""
        return self._get("get-sth")

    def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """Fetch the proof that the tree of ``second`` leaves extends that of ``first`` (RFC 6962 §4.4)."""
        answer = self._get(f"get-sth-consistency?first={first}&second={second}")
        return _hashes(answer, _object(answer).get("consistency"))

    def included(self, leaf_hash: bytes, size: int) -> IncludedAt | None:
        """Ask where a leaf stands in the tree of ``size`` leaves (RFC 6962 §4.5); None when the log has it not."""
        encoded = b64_encode(leaf_hash).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        answer = self._get(f"get-proof-by-hash?hash={encoded}&tree_size={size}", (200, 400, 404))
        if answer.status != 200:
            return None
        value = _object(answer)
        index = value.get("leaf_index")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < size:
            raise answer.invalid("its leaf_index is not an index in the tree")
        return IncludedAt(index, _hashes(answer, value.get("audit_path")))

    def entries(self, start: int, stop: int) -> tuple[CtEntry, ...]:
        """Fetch entries from ``start`` to before ``stop``; a log may give fewer, from the start (RFC 6962 §4.6).

        One that cannot be read is given with its ``problem``.
        """
        limits = replace(self._session.limits, max_bytes=MAX_BYTES)
        answer = self._get(f"get-entries?start={start}&end={stop - 1}", limits=limits)
        items = _object(answer).get("entries")
        if not isinstance(items, list) or len(items) > stop - start:
            raise answer.invalid("it is not a list of the entries asked for")
        try:
            return tuple(
                read_ct_entry(b64_decode(item["leaf_input"]), b64_decode(item["extra_data"])) for item in items
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise answer.invalid("an entry has no leaf_input and extra_data") from error
        except FormatError as error:
            raise answer.invalid(error.message) from error

    def _get(self, method: str, expected: tuple[int, ...] = (200,), *, limits: Limits | None = None) -> Answer:
        url = join_url(self._url, f"/ct/v1/{method}")
        return self._session.exchange(SERVICE, "GET", url, expected=expected, limits=limits)


def _object(answer: Answer) -> dict[str, Any]:
    value = answer.json()
    if not isinstance(value, dict):
        raise answer.invalid("it is not an object")
    return value


def _hashes(answer: Answer, value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_HASHES or not all(isinstance(one, str) for one in value):
        raise answer.invalid(f"it holds no list of at most {MAX_HASHES} hashes")
    try:
        found = tuple(b64_decode(one) for one in value)
    except FormatError as error:
        raise answer.invalid(error.message) from error
    if any(len(one) != HASH_BYTES for one in found):
        raise answer.invalid("a hash is not of 32 bytes")
    return found

"""A time-stamp authority over HTTP (RFC 3161 §3.4): the query goes out, the reply comes back unread.

Whether the reply may be believed is for :mod:`gitsign_py.core.sigstore.timestamp`, which needs the trust root; here is
checked only that it is a reply at all.
"""

from gitsign_py.clients.session import HttpSession
from gitsign_py.clients.urls import check_url
from gitsign_py.core.frozen import replace
from gitsign_py.core.pki.timestampbuild import MAX_TOKEN_BYTES

SERVICE = "Timestamp authority"
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
SECONDS = 10.0


class TsaClient:
    """An authority behind its full URL (port ``TimestampAuthority``)."""

    def __init__(self, session: HttpSession, url: str) -> None:
        check_url(SERVICE, url)
        self._session = session
        self._url = url

    def timestamp(self, request_der: bytes) -> bytes:
        """Send a DER TimeStampReq and return the DER TimeStampResp (at most 64 KiB), unchecked.

        A refusal is a TimeStampResp as well. Raises ServiceError; ``service-answer-invalid`` for another media type.
        """
        answer = self._session.exchange(
            SERVICE,
            "POST",
            self._url,
            body=request_der,
            headers={"Content-Type": QUERY, "Accept": REPLY},
            expected=(200, 201),  # common authorities answer 201, though RFC 3161 knows 200 alone
            limits=replace(self._session.limits, total=SECONDS, max_bytes=MAX_TOKEN_BYTES),
        )
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != REPLY:
            raise answer.invalid(f"it is of type {kind or 'none'}, expected {REPLY}")
        return answer.body

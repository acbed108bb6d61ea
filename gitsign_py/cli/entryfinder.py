"""The look-up of an online-mode signature's entry in the log of the instance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitsign_py.cli import wiring
from gitsign_py.cli.instance import searched_log
from gitsign_py.errors import UNREACHABLE, ServiceError

if TYPE_CHECKING:
    from gitsign_py.core.pki.certificate import Certificate
    from gitsign_py.core.tlog.logentry import LogEntry
    from gitsign_py.verification.signature import FindEntries


def entry_finder(settings: wiring.Settings) -> "FindEntries":
    """Make a function that asks Rekor v1 for entries; nothing is loaded or sent before it is called.

    A log that cannot be reached is asked once: a range of commits without a network is not a row of time-outs.
    """
    failures: list[ServiceError] = []
    urls: list[str] = []

    def find(digest: bytes, certificate: "Certificate") -> "Sequence[LogEntry]":
        from gitsign_py.clients.rekor import RekorClient  # noqa: PLC0415 - for online-mode signatures alone

        if failures:
            raise failures[0]
        try:
            urls[:] = urls or [searched_log(settings)]
            with wiring.session(settings) as http:
                log = RekorClient(http, urls[0])
                return log.find(digest=digest, certificate=certificate.raw) or log.find(digest=digest)
        except ServiceError as error:
            if error.reason in UNREACHABLE:
                failures.append(error)
            raise

    return find

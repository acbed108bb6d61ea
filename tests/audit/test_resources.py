"""The resources of an audit: a newer trust root comes in while batches are on their way."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gitsign_py.audit.codec import load_facts
from gitsign_py.audit.jobs import Job, VerifySettings
from gitsign_py.audit.resources import Resources
from gitsign_py.errors import UncheckedError
from tests.support.bulksigner import BulkSigner

PAYLOAD = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nx\n"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_what_was_sent_before_a_renewal_is_answered(tmp_path: Path) -> None:
    older, newer = BulkSigner(tmp_path / "older"), BulkSigner(tmp_path / "newer")
    signatures = [signer.sign("alice@example.com", PAYLOAD, NOW) for signer in (older, newer)]
    by_older, by_newer = [[Job(f"{at:040x}", PAYLOAD, signed) for at in range(200)] for signed in signatures]
    settings = VerifySettings(older.trusted_root, datetime.now(UTC))
    with closing(Resources(settings, jobs=2, renew=lambda _: newer.trusted_root)) as resources:
        before = resources.workers().submit(by_older)
        assert resources.renewed(UncheckedError("certificate-untrusted", "a CA that the root lacks"))
        after = resources.workers().submit(by_newer)
        for answer in (before, after):
            assert {load_facts(text).status for text in answer.wait()} == {"good"}
        assert not resources.renewed(UncheckedError("certificate-untrusted", "a CA that the root lacks"))

"""``gitsign-py policy init``: look at a history and propose a policy for it."""

import argparse
import sys
from contextlib import ExitStack

from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.ownconfig import tell, trust_said_by_repository
from gitsign_py.cli.text import write_utf8
from gitsign_py.core.git.foreignsig import openpgp_fingerprint, ssh_public_key
from gitsign_py.errors import FormatError, UsageError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.host.progress import counted
from gitsign_py.policy.propose import Observed, describe_unchecked, propose
from gitsign_py.policy.sshkey import ssh_fingerprint


def run_init(options: argparse.Namespace) -> int:
    """Print the proposal. Raises UsageError ``policy-nobody`` when nobody's signature could be verified."""
    settings = wiring.load_settings(isolated=options.isolated)
    history = _Runs()
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(settings))
        witness = _Witness(repository)
        targets, exclude = resolve_targets(repository, tuple(options.revisions))
        audit_options = auditing.AuditOptions(options.trusted_root, options.offline)
        prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
        tell(trust_said_by_repository(settings, prepared.trust_digest, option=options.trusted_root))
        records = audit_history(repository, AuditPlan(targets, exclude), prepared.resources)
        for record in counted(records, auditing.stderr_terminal()):
            history.add(record)
            witness.look(record)
    seen = tuple(witness.seen.values())
    if not any(one.is_verified for one in seen):
        raise _nobody(seen)
    write_utf8()  # TOML is
    sys.stdout.write(propose(seen, introduction=history.introduction, notes=history.notes()))
    return 0


def _nobody(seen: tuple[Observed, ...]) -> UsageError:
    if not seen:
        return UsageError(
            "policy-nobody",
            "nobody has signed anything here yet, so there is nobody to name",
            hint="see docs/policy.md",
        )
    return UsageError(
        "policy-nobody",
        f"no signature here could be verified, so there is nobody to name ({describe_unchecked(seen[0])})",
        hint="bring the keys into your keyring (gpg --import, gpg --recv-keys), then ask again",
    )


class _Witness:
    """Who was seen signing: identities, and keys of other formats, which only the signature itself shows."""

    def __init__(self, repository: GitRepository) -> None:
        self.seen: dict[tuple[str, ...], Observed] = {}
        self._repository = repository

    def look(self, record: Record) -> None:
        """Count a record whose signature is good, or that names a key that could not be asked."""
        if record.verdict == "verified" and record.format == "sigstore":
            one = self._one(Observed(record.identity, record.issuer, record.format, san_type=record.san_type))
        elif record.verdict in ("verified", "unchecked") and record.format in ("openpgp", "ssh"):
            one = self._one(self._key(record, is_verified=record.verdict == "verified"))
        else:
            return
        one.add(record.time, record.committer)

    def _one(self, found: Observed) -> Observed:
        name = (found.identity, found.san_type, found.issuer, found.form, found.key, str(found.is_verified))
        return self.seen.setdefault(name, found)

    def _key(self, record: Record, *, is_verified: bool) -> Observed:
        """Verified signatures have their key's fingerprint on record; for the public key itself one is read."""
        name = ("", "", "", record.format, record.identity, str(is_verified))
        known = self.seen.get(name) if record.identity else None
        if known is not None:
            return known
        signature = self._signature(record.oid)
        if record.format == "openpgp":
            key, public = record.identity or openpgp_fingerprint(signature), ""
        else:
            public = ssh_public_key(signature)
            key = ssh_fingerprint(public)
        return Observed("", "", record.format, key, public, is_verified and bool(key))

    def _signature(self, oid: str) -> bytes:
        stored = self._repository.read(oid)
        try:
            return split_stored(self._repository, stored).signature or b""
        except FormatError:  # judged and found in order a moment ago; a repository may change under us
            return b""


class _Runs:
    """What the history shows about unsigned commits, newest first."""

    def __init__(self) -> None:
        self.introduction = ""
        self._total = self._good = 0
        self._refused: dict[str, int] = {}

    def add(self, record: Record) -> None:
        """Count one; the newest commit that is not verified is where everything after is signed."""
        self._total += 1
        if record.verdict == "verified":
            self._good += 1
            return
        self.introduction = self.introduction or record.oid
        self._refused[record.verdict] = self._refused.get(record.verdict, 0) + 1

    def notes(self) -> list[str]:
        """Sentences for the head of the proposal."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self._refused.items())
        notes = [f"{self._good} of {self._total} commits have a good signature" + (f"; {counts}" if counts else "")]
        if self.introduction:
            notes.append(
                "Candidate for the introduction: the newest commit without a good signature; all after it have one."
            )
            notes.append("Pin it for the in-history mode: git config gitsign.introduction <commit that adds this file>")
        return notes

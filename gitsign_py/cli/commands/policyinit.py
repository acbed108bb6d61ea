"""``gitsign-py policy init``: look at a history and propose a policy for it."""

import argparse
import re
import sys
from contextlib import ExitStack

from gitsign_py.audit.causes import SHOWN, Cause, Causes
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.introduction import Introduction, find_introduction
from gitsign_py.audit.plan import AuditPlan, git_of, resolve_targets
from gitsign_py.audit.record import Record
from gitsign_py.cli import auditing, wiring
from gitsign_py.cli.outputfile import output_file
from gitsign_py.cli.ownconfig import tell, trust_said_by_repository
from gitsign_py.cli.text import write_utf8
from gitsign_py.core.git.foreignsig import openpgp_fingerprint, ssh_public_key
from gitsign_py.core.printing import printable
from gitsign_py.errors import FormatError, UsageError
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.git.storedobject import split_stored
from gitsign_py.host.progress import counted
from gitsign_py.policy.propose import Observed, describe_unchecked, propose
from gitsign_py.policy.sshkey import ssh_fingerprint

_SHA256 = re.compile(r"[0-9a-f]{64}")


def run_init(options: argparse.Namespace) -> int:
    """Print the proposal. Raises UsageError ``policy-nobody`` when nobody's signature could be verified."""
    settings = wiring.load_settings(isolated=options.isolated)
    with ExitStack() as stack:
        repository = stack.enter_context(wiring.repository(settings))
        witness = _Witness(repository)
        targets, exclude = resolve_targets(repository, tuple(options.revisions))
        history = _Runs()
        audit_options = auditing.AuditOptions(options.trusted_root, options.offline)
        prepared = auditing.prepare(stack, settings, repository, audit_options, warn=auditing.warn_on_stderr)
        tell(trust_said_by_repository(settings, prepared.trust_digest, option=options.trusted_root))
        records = audit_history(repository, AuditPlan(targets, exclude), prepared.resources)
        for record in counted(records, auditing.stderr_terminal()):
            history.add(record)
            witness.look(record)
        tips = tuple(dict.fromkeys(target.commit for target in targets if target.commit))
        if tips and history.poor:
            history.introduction = find_introduction(git_of(repository), tips, exclude, history.poor)
    seen = tuple(witness.seen.values())
    if not any(one.is_verified for one in seen):
        raise _nobody(seen, history.unchecked())
    notes = history.notes()
    introduction = history.introduction.commit if history.introduction else ""
    with output_file(options.output, make_folder=True) as out:
        if out is sys.stdout:
            write_utf8()  # TOML is
        out.write(propose(seen, introduction=introduction, notes=notes))
    for note in notes:
        print(f"gitsign-py: {printable(note)}", file=sys.stderr)
    return 0


def _nobody(seen: tuple[Observed, ...], unchecked: list[str]) -> UsageError:
    if not seen:
        return UsageError(
            "policy-nobody",
            "no commit or tag here is signed yet, so the policy would name no signer",
            hint="see docs/policy.md",
        )
    return UsageError(
        "policy-nobody",
        f"no signature here could be verified, so the policy would name no signer ({describe_unchecked(seen[0])})",
        hint="; ".join([*unchecked, "then ask again"]),
    )


class _Witness:
    """The signers that were seen: identities, and keys of other formats, which only the signature itself shows."""

    def __init__(self, repository: GitRepository) -> None:
        self.seen: dict[tuple[str, ...], Observed] = {}
        self._repository = repository

    def look(self, record: Record) -> None:
        """Count a record whose signature is good, or that names a key that could not be asked."""
        if record.verdict == "good" and record.format == "sigstore":
            one = self._one(Observed(record.identity, record.issuer, record.format, san_type=record.san_type))
        elif record.verdict in ("good", "unchecked") and record.format in ("openpgp", "ssh"):
            one = self._one(self._key(record, is_verified=record.verdict == "good"))
        elif record.verdict in ("good", "unchecked") and record.format == "x509":
            one = self._one(_certificate(record, is_verified=record.verdict == "good"))
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


def _certificate(record: Record, *, is_verified: bool) -> Observed:
    """An S/MIME signer by issuer and subject, as renewed certificates have them too; one without a subject by its
    fingerprint, which then stands for the identity.
    """
    if not is_verified:
        return Observed("", "", record.format, record.claimed, is_verified=False)
    if not record.identity or _SHA256.fullmatch(record.identity):
        return Observed("", "", record.format, record.identity)
    return Observed(record.identity, record.issuer, record.format)


class _Runs:
    """The commits of the history without a good signature, newest first, and why."""

    def __init__(self) -> None:
        self.poor: list[str] = []
        self.introduction: Introduction | None = None
        self._total = self._good = 0
        self._causes = Causes()

    def add(self, record: Record) -> None:
        """Count one."""
        self._total += 1
        if record.accepted:
            self._good += 1
            return
        if record.kind == "commit":
            self.poor.append(record.oid)
        self._causes.add(record, [record])

    def notes(self) -> list[str]:
        """Sentences for the head of the proposal, and for the person."""
        notes = [f"{self._good} of {self._total} commits have a good signature"]
        notes += [_told(cause) for cause in self._causes.sorted() if cause.verdict != "unchecked"]
        notes += self.unchecked()
        if self.introduction is not None:
            notes.append(
                f"The introduction {self.introduction.commit[:12]} is the oldest commit that has all of these at or "
                f"before it: it exempts {self._total - self.introduction.judged} of {self._total} commits and judges "
                f"{self.introduction.judged}."
            )
            notes.append("Pin it for the in-history mode: git config gitsign.introduction <commit that adds this file>")
        elif self.poor:
            notes.append(
                f"No introduction is proposed: {self.poor[0][:12]} has no good signature, and only the newest commit "
                "has it at or before it. To pin that one would exempt the whole history. Sign a commit (or bring the "
                "keys), then ask again."
            )
        return notes

    def unchecked(self) -> list[str]:
        """The unchecked commits, by cause, and the advice for each."""
        return [_told(cause) for cause in self._causes.sorted() if cause.verdict == "unchecked"]


def _told(cause: Cause) -> str:
    todo = cause.todo
    if cause.reason == "key-missing" and len(cause.what) > 1:
        todo = "gpg --recv-keys " + " ".join(name for name, _ in cause.what.most_common(SHOWN))
    many = "1 commit" if cause.commits == 1 else f"{cause.commits} commits"
    return f"{many} {cause.verdict}: {cause.words}: {todo}"

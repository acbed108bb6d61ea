"""A server's side of SLSA's Source track: each update of a source ref judged once more, stated, signed and stored."""

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from gitsign_py.audit.closing import Place
from gitsign_py.audit.engine import audit_history
from gitsign_py.audit.plan import AuditPlan
from gitsign_py.audit.record import Record
from gitsign_py.audit.sourcestatements import PROVENANCE, REF, SUMMARY, Attester, SourceStatements, place_of
from gitsign_py.audit.sourceupdates import SeenUpdate, stated
from gitsign_py.cli import auditing, instance, wiring
from gitsign_py.cli.sourcerefs import check_configured, marks_folder
from gitsign_py.cli.statementsigning import SignStatement, statement_signer
from gitsign_py.cli.tokens import needs_person
from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.errors import ConfigError, PolicyError, UncheckedError
from gitsign_py.host import updatemarks
from gitsign_py.host.filelock import hold
from gitsign_py.host.git import attestationrefs
from gitsign_py.host.git.attestationrefs import SUFFIX
from gitsign_py.host.git.naming import commit_of, list_refs
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.host.updatemarks import LOCK, Mark
from gitsign_py.signing.attestation import Attestation, git_artifact
from gitsign_py.source.continuity import Link
from gitsign_py.source.controls import level_name, level_of
from gitsign_py.source.provenance import Provenance, provenance_statement
from gitsign_py.source.summary import summary_statement, verifier_id
from gitsign_py.verification.bundle import VerifiedBundle
from gitsign_py.verification.identity import Expected, ExpectedIdentity

MAX_PENDING = 1_000
_LOCK_SECONDS = 30.0


@frozen
class Made:
    """A statement that was signed and stored, or was there before (``is_new``)."""

    provenance: Provenance
    identity: str
    is_new: bool = True

    @property
    def level(self) -> int:
        """The level that follows from its controls."""
        return level_of(self.provenance.controls)


@frozen
class SourceServer:
    """A repository whose updates are stated: ``uri`` is its name for consumers, ``expected`` who signs for it."""

    settings: wiring.Settings
    repository: GitRepository
    uri: str
    expected: ExpectedIdentity
    trusted_root: str | None = None

    def statements(self, ref: str) -> SourceStatements:
        """What this server's own attester has said of a ref."""
        root = wiring.trusted_root(self.settings, file=self.trusted_root)
        renew = wiring.renewal(self.settings, root, file=self.trusted_root)
        witnesses = wiring.witness_policy(self.settings)
        attester = Attester(self.expected, root, wiring.now(), renew, witnesses)
        return SourceStatements(self.repository, attester, self.uri, ref)


def server_of(settings: wiring.Settings, repository: GitRepository, trusted_root: str | None = None) -> SourceServer:
    """Read who states what here. Raises ConfigError ``source-unconfigured``."""
    check_configured(settings.config.server)
    identity, issuer = settings.config.server.source_attester.split()
    # On a server the log has lines of JSON, and nobody commits: the owner has said who signs.
    config = settings.config.with_values({"log_path": None, "match_committer": "false"})
    quiet = replace(settings, config=config)
    expected = ExpectedIdentity(Expected(identity), Expected(issuer))
    return SourceServer(quiet, repository, settings.config.server.source_uri, expected, trusted_root)


def told(made: Made) -> str:
    """One line for a person."""
    here = made.provenance
    word = "attested" if made.is_new else "attested before"
    held = ", ".join(here.controls)
    return f"{here.ref} at {here.new}: {word} by {made.identity}, {level_name(made.level)} ({held})"


def check_unattended(settings: wiring.Settings) -> None:
    """Raise ConfigError ``source-token-missing`` where a person would have to sign in: behind a hook there is none."""
    if needs_person(settings, instance.endpoints(settings)):
        raise ConfigError(
            "source-token-missing",
            "the server has no identity token of its own: a workload's, or one in a file",
            hint="set gitsign.tokenProvider, or GITSIGN_TOKEN_FILE where the hook runs",
        )


def attest_ref(server: SourceServer, ref: str, new: str, old: str | None = None) -> Iterator[Made]:
    """State how ``ref`` came to ``new``, and before that each earlier update that is marked and not stated yet.

    ``old`` None: as the mark says, else nobody saw it. Yields each statement as it is stored. Raises UncheckedError
    ``source-busy``, PolicyError ``source-attester``, and what signing and storing raise.
    """
    with _alone(server.repository):
        for seen in _unstated(server, ref, new, old):
            yield _attested(server, seen, is_told=old is not None)


@contextmanager
def _alone(repository: GitRepository) -> Iterator[None]:
    """One process states at a time, so that each update follows the one before it."""
    folder = marks_folder(repository)
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = hold(folder / LOCK, _LOCK_SECONDS)
    if lock is None:
        raise UncheckedError("source-busy", "another process states provenance here", hint="try again")
    with closing(lock):
        yield


def _unstated(server: SourceServer, ref: str, new: str, old: str | None) -> Sequence[SeenUpdate]:
    """The updates up to ``new``, the oldest first, as far back as marks lead from what is stated."""
    folder, statements = marks_folder(server.repository), server.statements(ref)
    newest = statements.newest()
    found = [_seen(folder, ref, new, old)]
    while len(found) < MAX_PENDING and not _is_stated(newest, found[-1].old):
        marks = updatemarks.find(folder, ref, found[-1].old)
        if len(marks) != 1:  # nobody saw it, or nobody can tell by which of two ways it came
            break
        found.append(_of_mark(marks[0]))
    return found[::-1]


def _is_stated(newest: Link | None, old: str) -> bool:
    return not old.strip("0") or (newest is not None and newest.provenance.new == old)


def _seen(folder: Path, ref: str, new: str, old: str | None) -> SeenUpdate:
    marks = [mark for mark in updatemarks.find(folder, ref, new) if old in (None, mark.old)]
    return _of_mark(marks[0]) if len(marks) == 1 else SeenUpdate(ref, old or "", new, wiring.now())


def _of_mark(mark: Mark) -> SeenUpdate:
    return SeenUpdate(mark.ref, mark.old, mark.new, parse_rfc3339(mark.time), was_judged=True, pusher=mark.pusher)


def _attested(server: SourceServer, seen: SeenUpdate, *, is_told: bool) -> Made:
    statements = server.statements(seen.ref)
    previous = statements.newest()
    before = _stated_before(server, seen, previous, statements, is_told=is_told)
    if before is not None:
        _forget(server, seen)
        return Made(before, server.expected.identity.text, is_new=False)
    provenance = _worked_out(server, seen, previous)
    with statement_signer(server.settings, server.trusted_root, for_others=True) as sign:
        identity = _stored(server, provenance, sign)
    _forget(server, seen)
    return Made(provenance, identity)


def _stated_before(
    server: SourceServer, seen: SeenUpdate, previous: Link | None, statements: SourceStatements, *, is_told: bool
) -> Provenance | None:
    """The statement about this very update, if there is one; ``is_told``: git, or a person, says where it began."""
    if previous is None:
        return None
    newest = previous.provenance
    if newest.new == seen.new and seen.old in ("", newest.old):
        # A mark from after the statement is of another push: the ref was moved back in between, unseen.
        return None if is_told and seen.was_judged and seen.time > newest.time else newest
    if seen.was_judged or not seen.old or any(one.oid == seen.new for one in list_refs(server.repository, seen.ref)):
        return None
    # The push that came next was quicker: it stated this update before its own, and took the mark.
    links = statements.links_at(commit_of(server.repository, seen.new))
    found = (link.provenance for link in links)
    return next((one for one in found if (one.old, one.new) == (seen.old, seen.new)), None)


def _forget(server: SourceServer, seen: SeenUpdate) -> None:
    if seen.was_judged:
        updatemarks.remove(marks_folder(server.repository), Mark(seen.ref, seen.old, seen.new, ""))


def _worked_out(server: SourceServer, seen: SeenUpdate, previous: Link | None) -> Provenance:
    settings, repository = server.settings, server.repository
    with ExitStack() as stack:

        def audit(plan: AuditPlan) -> Iterator[Record]:
            options = auditing.AuditOptions(trusted_root=server.trusted_root)
            prepared = auditing.prepare(stack, settings, repository, options, warn=auditing.warn_on_stderr)
            with closing(audit_history(repository, plan, prepared.resources)) as records:
                yield from records

        return stated(
            repository,
            seen,
            uri=server.uri,
            plan=auditing.policy_plan(settings, repository, Place(is_server=True)),
            policy_name=_policy_name(server),
            previous=previous,
            audit=audit,
        )


def _policy_name(server: SourceServer) -> str:
    """The policy's URI: a file of the server, or a place in the repository."""
    name = server.settings.config.signers.policy
    path = Path(name).expanduser()
    return path.as_uri() if path.is_absolute() else f"{server.uri}#{quote(name, safe='/:')}"


def _stored(server: SourceServer, provenance: Provenance, sign: SignStatement) -> str:
    """Sign the provenance, and the summary that follows from it, and store both at once; gives who signed."""
    artifact = git_artifact("gitCommit", provenance.revision)
    statement = provenance_statement(provenance)
    made = sign(statement, artifact)
    verifier = _checked_attester(server, made.verified)
    digest = hashlib.sha256(made.bundle).hexdigest()
    summary_text = summary_statement(provenance, digest, verifier, wiring.now())
    summary = sign(summary_text, artifact)
    _checked_attester(server, summary.verified)
    place = f"{place_of(provenance.repository, provenance.ref)}-{secrets.token_hex(4)}.json"
    files = _files(f"{PROVENANCE}{place}", statement, made) | _files(f"{SUMMARY}{place}", summary_text, summary)
    message = f"gitsign-py source attest {provenance.ref} {provenance.new}"
    attestationrefs.store(server.repository, REF, provenance.revision, files, message=message)
    return made.verified.identity or ""


def _files(name: str, statement: bytes, made: Attestation) -> dict[str, bytes]:
    return {name: statement, f"{name}.sig": made.envelope, f"{name}{SUFFIX}": made.bundle}


def _checked_attester(server: SourceServer, made: VerifiedBundle) -> str:
    """The verifier's id for the signer. A statement by anybody else would count for no consumer, and break the chain.

    Raises PolicyError ``source-attester``.
    """
    expected = server.expected
    if (made.identity, made.issuer) != (expected.identity.text, expected.issuer.text):
        raise PolicyError(
            "source-attester",
            f"signed by {made.identity} (issuer {made.issuer}), and gitsign.sourceAttester says "
            f"{expected.identity.text} (issuer {expected.issuer.text}): nothing is stored",
            hint="correct the setting, or the token that the server signs with",
        )
    return verifier_id(made.identity or "", made.san_type or "", made.issuer or "")

"""OpenPGP and SSH signatures of an audit: from the cache, by our own code where that may say yes, else through git.

Whether a key may sign is the policy's question, by its fingerprint. Our own code (``core/git/sshsig.py``,
``core/git/openpgpsig.py``) only ever finds a signature good; whatever it does not, git judges by ssh-keygen and gpg
(``gitverdicts.py``). For OpenPGP gpg also says first whether a key counts: it verifies one signature for each key,
algorithm and hash, and our own code those that are like it. Keys must be in the keyring of whoever runs the audit
(docs/adr/0006).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from gitsign_py.audit.cache import FactsCache
from gitsign_py.audit.codec import dump_facts, load_kept
from gitsign_py.audit.gitverdicts import GitVerdict, GitVerdicts, Question
from gitsign_py.audit.jobs import Job
from gitsign_py.audit.resting import Keyring, Revoked, read_keyring, read_revocations
from gitsign_py.audit.scan import Scanned
from gitsign_py.core.git.foreignsig import (
    openpgp_fingerprint,
    openpgp_key_id,
    openpgp_may_be_by,
    ssh_key_blob,
    ssh_public_key,
)
from gitsign_py.core.git.openpgpform import OpenPgpKey, OpenPgpSignature, read_openpgp_signature
from gitsign_py.errors import FormatError, GitsignError, UncheckedError, VerificationError
from gitsign_py.host.git.walk import Git
from gitsign_py.host.programs import find_program
from gitsign_py.policy.facts import SignatureFacts, SignatureForm, SignatureStatus
from gitsign_py.policy.sshkey import ssh_fingerprint

if TYPE_CHECKING:
    from gitsign_py.audit.workers import PendingFacts

PROGRAMS: Mapping[str, str] = {"openpgp": "gpg", "ssh": "ssh-keygen"}
_MANY = 4096
_MISSING = b"missing"  # the program: no signature of that form is good
_FEW = 24  # SSH signatures that are checked here: other processes cost more

# %G? of git-log(1). For OpenPGP G and U differ in the keyring's trust alone, and here the policy says whom to trust.
_MEANING: Mapping[str, tuple[SignatureStatus, str, str]] = {
    "G": ("good", "", ""),
    "U": ("good", "", ""),
    "B": ("bad", "signature-invalid", "signature does not verify"),
    "X": ("bad", "signature-expired", "signature has expired"),
    "R": ("bad", "key-revoked", "signature was made by a key that was revoked"),
    "Y": ("unchecked", "key-expired", "key has expired, and nothing proves that the signature is older"),
    "E": ("unchecked", "key-missing", "key to verify with is not there"),
    "N": ("unchecked", "signature-unread", "git finds no signature that it can read"),
}
_SSH_UNASKED = "U"
_GOOD = ("G", "U")
Submit = Callable[[Sequence[Job]], "PendingFacts"]
_Alike = tuple[str, int, int]


class ForeignBatch(NamedTuple):
    """Signatures on their way: what is known of them, and the SSH ones that other processes look at."""

    items: Sequence[Scanned]
    known: dict[str, SignatureFacts]
    jobs: Sequence[Job]
    answer: "PendingFacts | None"


class _Read(NamedTuple):
    """An OpenPGP signature that our own code can read, and the key that it names."""

    item: Scanned
    signature: OpenPgpSignature
    key: OpenPgpKey

    @property
    def alike(self) -> _Alike:
        return self.key.fingerprint, self.signature.algorithm, self.signature.hashing


class ForeignSignatures:
    """Verifies OpenPGP and SSH signatures in one run; keyring and revocations are read when the first one comes."""

    def __init__(self, git: Git, jobs: int, submit: Submit, cache: Callable[[], FactsCache | None]) -> None:
        self._git, self._jobs, self._submit, self._cache = git, jobs, submit, cache
        self._seen_keyring: Keyring | None = None
        self._seen_revoked: Revoked | None = None
        self._asking: GitVerdicts | None = None
        self._vouched: dict[_Alike, GitVerdict] = {}
        self._noted: dict[str, list[tuple[str, str]]] = defaultdict(list)

    # -- what all of them rest on -----------------------------------------------------------------------------------

    def _keyring(self) -> Keyring:
        if self._seen_keyring is None:
            self._seen_keyring = read_keyring(self._git)
        return self._seen_keyring

    def _revoked(self) -> Revoked:
        if self._seen_revoked is None:
            self._seen_revoked = read_revocations(self._git)
        return self._seen_revoked

    def _rests_on(self, form: str) -> bytes:
        return self._revoked().digest if form == "ssh" else self._keyring().digest

    # -- a batch ------------------------------------------------------------------------------------------------

    def begin(self, items: Sequence[Scanned]) -> ForeignBatch:
        """Look into the cache, and send SSH signatures to other processes. Raises UncheckedError when git fails."""
        missing = {form for form, program in PROGRAMS.items() if not self._is_there(program)}
        known = {item.oid: _no_program(self._git, item) for item in items if item.form in missing}
        known |= self._kept([item for item in items if item.oid not in known])
        jobs = self._ssh_jobs([item for item in items if item.form == "ssh" and item.oid not in known])
        return ForeignBatch(items, known, jobs, self._submit(jobs) if len(jobs) > _FEW else None)

    def finish(self, batch: ForeignBatch) -> dict[str, SignatureFacts]:
        """Verify what is left. Raises UncheckedError when git cannot be run to the end."""
        verdicts = self._good_ssh(batch)
        left = [item for item in batch.items if item.oid not in batch.known and item.oid not in verdicts]
        found, readable = self._by_openpgp([item for item in left if item.form == "openpgp"])
        verdicts |= found
        verdicts |= self._ask([item for item in left if item.oid not in verdicts])
        fresh = {item.oid: _facts(item, verdicts[item.oid]) for item in batch.items if item.oid in verdicts}
        self._note(batch.items, fresh, readable)
        return batch.known | fresh

    def state(self, form: str) -> bytes:
        """What verdicts of a form rest on in this run, as ``state_of_keys`` gives it."""
        return self._rests_on(form) if self._is_there(PROGRAMS[form]) else _MISSING

    def _is_there(self, program: str) -> bool:
        """Keep git from reading a missing ssh-keygen as a bad signature (gpg-interface.c)."""
        return self._git.direct is None and _found(self._git, program)

    def _ask(self, items: Sequence[Scanned]) -> dict[str, GitVerdict]:
        """Ask git; it says nothing of what it cannot read."""
        if not items:
            return {}
        if self._asking is None:
            self._asking = GitVerdicts(self._git, self._jobs, lambda: self._revoked().options)
        found = self._asking.ask([_question(item) for item in items])
        return {item.oid: found.get(item.oid, GitVerdict("N")) for item in items}

    # -- SSH ------------------------------------------------------------------------------------------------------

    def _ssh_jobs(self, items: Sequence[Scanned]) -> list[Job]:
        """Those that our own code may find good: none where the list of revoked keys says more than it understands."""
        if not items or self._revoked().keys is None:
            return []
        return [Job(item.oid, item.split.payload, _signature(item), form="ssh") for item in items if item.split]

    def _good_ssh(self, batch: ForeignBatch) -> dict[str, GitVerdict]:
        if not batch.jobs:
            return {}
        from gitsign_py.audit.sshjobs import good_ssh_key  # noqa: PLC0415 - cryptography, where one is checked

        found = batch.answer.wait() if batch.answer else [good_ssh_key(job) for job in batch.jobs]
        revoked = self._revoked().keys
        return {
            job.oid: GitVerdict("G", fingerprint)
            for job, fingerprint in zip(batch.jobs, found, strict=True)
            if fingerprint and revoked is not None and revoked.clears(ssh_key_blob(job.signature))
        }

    # -- OpenPGP --------------------------------------------------------------------------------------------------

    def _by_openpgp(self, items: Sequence[Scanned]) -> tuple[dict[str, GitVerdict], set[str]]:
        """Verdicts, as far as they need no more processes than one for each key; and ids of what could be read."""
        if not items:
            return {}, set()
        ids = self._keyring().ids
        absent = {} if ids is None else {
            item.oid: GitVerdict("E") for item in items if not openpgp_may_be_by(_signature(item), ids)
        }  # fmt: skip
        readable = [read for item in items if item.oid not in absent and (read := self._read(item))]
        first = {read.alike: read for read in reversed(readable) if read.alike not in self._vouched}
        found = absent | self._ask([read.item for read in first.values()])
        for read in first.values():
            verdict = found[read.item.oid]
            if verdict.code in _GOOD and verdict.fingerprint.upper() == read.key.fingerprint:
                self._vouched[read.alike] = verdict
        good = {
            read.item.oid: self._vouched[read.alike]
            for read in readable
            if read.item.oid not in found and read.alike in self._vouched and _holds(read)
        }
        return found | good, {read.item.oid for read in readable}

    def _read(self, item: Scanned) -> _Read | None:
        try:
            signature = read_openpgp_signature(_signature(item))
        except FormatError:
            return None
        key = self._keyring().keys.get(signature.issuer)
        return None if key is None or item.split is None else _Read(item, signature, key)

    # -- the cache ------------------------------------------------------------------------------------------------

    def _kept(self, items: Iterable[Scanned]) -> dict[str, SignatureFacts]:
        cache = self._cache()
        if cache is None:
            return {}
        found = {item.oid: cache.get(item.oid, on) for item in items if (on := self._rests_on(item.form))}
        return {oid: facts for oid, text in found.items() if text and (facts := load_kept(text)) is not None}

    def _note(self, items: Sequence[Scanned], fresh: Mapping[str, SignatureFacts], readable: set[str]) -> None:
        """Note what only another state could make otherwise; it is kept when the run ends, or there is much of it.

        A signature that our own code cannot read may end by itself, and ssh-keygen's no may be a process that failed.
        """
        if self._cache() is None:
            return
        for item in items:
            if (facts := fresh.get(item.oid)) is not None and _lasts(facts, item, readable):
                self._noted[item.form].append((item.oid, dump_facts(facts)))
        if sum(map(len, self._noted.values())) >= _MANY:
            self.keep()

    def keep(self) -> None:
        """Keep what was noted, unless something that it rests on has changed since it was read."""
        cache = self._cache()
        noted, self._noted = self._noted, defaultdict(list)
        for form, entries in noted.items() if cache is not None else ():
            with suppress(GitsignError):
                if cache is not None and (on := self._rests_on(form)) and on == _read_again(self._git, form):
                    cache.put(entries, on)


def state_of_keys(git: Git, form: str) -> bytes:
    """The digest of all that verdicts on OpenPGP or SSH signatures rest on; empty where not all of it can be seen."""
    return _read_again(git, form) if _found(git, PROGRAMS[form]) else _MISSING


def _found(git: Git, program: str) -> bool:
    return find_program(program, path=git.environment.get("PATH")) is not None


def _read_again(git: Git, form: str) -> bytes:
    return read_revocations(git).digest if form == "ssh" else read_keyring(git).digest


def _lasts(facts: SignatureFacts, item: Scanned, readable: set[str]) -> bool:
    return facts.status == "good" if item.form == "ssh" else facts.status in ("good", "bad") and item.oid in readable


def _holds(read: _Read) -> bool:
    from gitsign_py.core.git.openpgpsig import verify_openpgp_signature  # noqa: PLC0415 - as for SSH

    payload = read.item.split.payload if read.item.split else b""
    try:
        verify_openpgp_signature(read.signature, payload, read.key)
    except (FormatError, VerificationError):
        return False
    return True


def _question(item: Scanned) -> Question:
    key = ssh_public_key(_signature(item)) if item.form == "ssh" else ""
    return Question(item.oid, item.kind, item.form, key)


def _signature(item: Scanned) -> bytes:
    return (item.split.signature if item.split else None) or b""


def unchecked(items: Iterable[Scanned], error: UncheckedError) -> dict[str, SignatureFacts]:
    """The facts of signatures about which git could not be asked."""
    facts = SignatureFacts("unchecked", reason=error.reason, message=error.message)
    return dict.fromkeys((item.oid for item in items), facts)


def _no_program(git: Git, item: Scanned) -> SignatureFacts:
    program = PROGRAMS[item.form] if git.direct is None else "git"  # which asks the others
    message = f"{item.form}: the program {program} is not installed"
    claimed = _claimed(item)
    return SignatureFacts("unchecked", _form(item), reason="program-missing", message=message, claimed=claimed)


def _form(item: Scanned) -> SignatureForm:
    return "ssh" if item.form == "ssh" else "openpgp"


def _facts(item: Scanned, answer: GitVerdict) -> SignatureFacts:
    """A subkey's signature belongs to its primary key; a policy may list either."""
    code = "N" if item.form == "ssh" and answer.code == _SSH_UNASKED else answer.code
    status, reason, message = _MEANING.get(code, _MEANING["N"])
    fingerprint, primary = answer.fingerprint, answer.primary
    if item.form == "openpgp":
        fingerprint, primary = fingerprint.upper(), primary.upper()
    key, subkey = (primary, fingerprint) if primary not in ("", fingerprint) else (fingerprint, "")
    if reason == "key-missing" and item.form == "openpgp":
        named = _claimed(item)
        message = f"the signing key{' ' + named if named else ''} is not in the keyring: import it with gpg --import"
    said = f"{item.form}: {message}" if message else ""
    claimed = "" if status == "good" else _claimed(item)
    return SignatureFacts(status, _form(item), key=key, subkey=subkey, reason=reason, message=said, claimed=claimed)


def _claimed(item: Scanned) -> str:
    """The key that the signature itself names."""
    signature = _signature(item)
    if item.form == "ssh":
        return ssh_fingerprint(ssh_public_key(signature))
    return openpgp_fingerprint(signature) or openpgp_key_id(signature)

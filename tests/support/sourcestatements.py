"""Source statements made to order, signed in memory, in a repository that holds nothing else; a test spoils them."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gitsign_py.audit.sourcestatements import PROVENANCE, REF, SUMMARY, Attester, SourceStatements, place_of
from gitsign_py.core.frozen import replace
from gitsign_py.core.tlog.witnesspolicy import WitnessPolicy
from gitsign_py.host.git.attestationrefs import SUFFIX
from gitsign_py.host.git.objects import GitRepository
from gitsign_py.source.controls import NEEDED, Since
from gitsign_py.source.provenance import Previous, Provenance, provenance_statement
from gitsign_py.source.summary import Wanted, summary_statement
from gitsign_py.verification.identity import Expected, ExpectedIdentity
from tests.support.bundles import AT, ISSUER, BundleMaker, Identity
from tests.support.gitrepo import ScratchRepo, environment
from tests.support.history import History

SERVER, MALLORY = "https://ci.example.com/server", "https://ci.example.com/mallory"
URI, MAIN = "git+https://git.example.com/project", "refs/heads/main"
DIGEST = "ab" * 32


def oid(number: int) -> str:
    return f"{number:040x}"


def provenance(number: int = 1, *, level: int = 3, old: str | None = None, **changes: Any) -> Provenance:
    """The update that brought commit ``number``, after the one before it."""
    at = AT - timedelta(minutes=1) + timedelta(seconds=number)
    before = oid(number - 1) if old is None else old
    since = dict.fromkeys(NEEDED[level], Since(oid(1), AT - timedelta(minutes=1)))
    made = Provenance(URI, MAIN, before, oid(number), at, "file:///etc/policy.toml", DIGEST, since)
    return replace(made, **changes)


@dataclass
class Statements:
    """Bundles by folder and name, and the repository that they are put into."""

    folder: Path
    maker: BundleMaker
    stored: dict[str, str] = field(default_factory=dict)
    _who: dict[str, Identity] = field(default_factory=dict)

    def bundle(self, statement: bytes, by: str = SERVER) -> str:
        who = self._who.setdefault(by, self.maker.certified(by))
        return json.dumps(self.maker.attestation("hashedrekord 0.0.1", who=who, payload=statement))

    def put(self, kind: str, bundle: str, *, at: str = "", uri: str = URI, ref: str = MAIN, name: str = "") -> None:
        """Store a bundle: about commit ``at`` (the first), and as if about that ref and repository."""
        named = f"{kind}{place_of(uri, ref)}-{name or len(self.stored):0>8}.json{SUFFIX}"
        self.stored[f"{at or oid(1)}/{named}"] = bundle

    def state(self, made: Provenance, *, by: str = SERVER, summary: Mapping[str, Any] | None = None) -> str:
        """Store provenance and VSA as a server does; ``summary`` changes fields of the VSA's predicate."""
        proof = self.bundle(provenance_statement(made), by)
        self.put(PROVENANCE, proof, at=made.revision)
        digest = hashlib.sha256(proof.encode()).hexdigest()
        value = json.loads(summary_statement(made, digest, by, AT))
        value["predicate"] |= dict(summary or {})
        self.put(SUMMARY, self.bundle(json.dumps(value).encode(), by), at=made.revision)
        return digest

    def chain(self, count: int, **changes: Any) -> None:
        """State the first ``count`` updates, each after the one before it."""
        previous = None
        for number in range(1, count + 1):
            old = "0" * 40 if number == 1 else None
            digest = self.state(provenance(number, old=old, previous=previous, **changes))
            previous = Previous(oid(number), digest)

    @contextmanager
    def read(
        self, *, uri: str = URI, ref: str = MAIN, by: str = SERVER, witnesses: WitnessPolicy | None = None
    ) -> Iterator[SourceStatements]:
        repo = ScratchRepo.init(self.folder / f"repository-{len(list(self.folder.iterdir()))}")
        history = History()
        tip = ""
        for name, bundle in self.stored.items():
            tip = history.commit(*([tip] if tip else []), files={name: bundle})
        history.write(repo.path / ".git", {REF: tip} if tip else {})
        expected = ExpectedIdentity(Expected(by), Expected(ISSUER))
        attester = Attester(expected, self.maker.trusted_root, AT + timedelta(days=1), witnesses=witnesses)
        with GitRepository(repo.path, environment=environment()) as repository:
            yield SourceStatements(repository, attester, uri, ref)


def wanted(number: int = 1, **changes: Any) -> Wanted:
    return replace(Wanted(URI, MAIN, oid(number), 3), **changes)

"""The facts of an audit's signatures: out of the cache, from the processes that verify, from gpg, ssh-keygen and gpgsm.

A batch is begun before its facts are wanted, so that several are on their way while one is judged.
"""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gitsign_py.audit.codec import load_facts, load_kept
from gitsign_py.audit.foreign import PROGRAMS, ForeignBatch, ForeignSignatures, unchecked
from gitsign_py.audit.jobs import NOT_EMBEDDED, Job
from gitsign_py.audit.resources import Resources
from gitsign_py.audit.scan import Scanned
from gitsign_py.audit.seconds import content_of, second_jobs, with_second
from gitsign_py.audit.smime import UNSEEN, SmimeChecks
from gitsign_py.errors import GitsignError, UncheckedError
from gitsign_py.host.git.walk import Git
from gitsign_py.policy.facts import SignatureFacts
from gitsign_py.verification.smime import SmimeSignature, read_smime
from gitsign_py.verification.verdict import lacks_authority

if TYPE_CHECKING:
    from gitsign_py.audit.workers import PendingFacts

_CACHED = ("good", "bad")
_TIME_DEPENDENT = ("log-time-in-future",)


class Begun(NamedTuple):
    """A batch on its way: what was read, facts known already, jobs that were sent, other formats, the answer.

    Where git cannot be asked about other formats, their facts stand there.

    ``apart`` are commits of heads that may be asked for when the batch is judged. ``seconds`` has by an object's id the
    job of its second signature, or the facts of one that has none.
    """

    items: list[Scanned]
    apart: list[Scanned]
    facts: dict[str, SignatureFacts]
    jobs: list[Job]
    foreign: "ForeignBatch | dict[str, SignatureFacts]"
    smime: list[tuple[Scanned, SmimeSignature]]
    answer: "PendingFacts | None"
    seconds: "dict[str, Job | SignatureFacts]"

    @property
    def size(self) -> int:
        """Bytes that wait for their verdict."""
        return sum(len(job.payload) for job in self.jobs)


class Gathering:
    """Begins batches and gathers their facts, by the resources of one run."""

    def __init__(self, git: Git, resources: Resources) -> None:
        self._git = git
        self._resources = resources
        self._first_root = resources.settings.trusted_root
        self._smime = SmimeChecks(git.environment, resources.jobs)
        self._foreign = ForeignSignatures(
            git,
            resources.jobs or os.cpu_count() or 1,
            lambda jobs: resources.workers().submit(jobs),
            lambda: resources.cache,
        )

    def begin(self, items: list[Scanned], apart: Sequence[Scanned] = ()) -> Begun:
        """Send what has to be verified. ``apart`` are commits of heads that may be asked for with the ``items``."""
        signed = [item for item in (*items, *apart) if item.form]
        facts: dict[str, SignatureFacts] = {}
        jobs: list[Job] = []
        foreign = self._begin_foreign([item for item in signed if item.form in PROGRAMS])
        smime: list[tuple[Scanned, SmimeSignature]] = []
        for item in signed:
            if item.form != "sigstore" or item.split is None:
                continue
            armored = item.split.signature or b""
            if (known := self._kept(item.oid)) is not None:
                facts[item.oid] = known
            elif found := read_smime(armored, self._resources.settings.trusted_root):
                smime.append((item, found))
            else:
                jobs.append(Job(item.oid, item.split.payload, armored))
        if smime:
            self._resources.keys |= UNSEEN
        seconds = second_jobs(self._git, signed) if self._git.two_hashes else {}
        for second in seconds.values():
            if not isinstance(second, Job):
                continue
            if (known := self._kept(second.oid, content_of(second))) is not None:
                facts[second.oid] = known
            else:
                jobs.append(second)
        answer = self._resources.workers().submit(jobs) if jobs else None
        return Begun(items, list(apart), facts, jobs, foreign, smime, answer, seconds)

    def _kept(self, oid: str, rests_on: bytes = b"") -> SignatureFacts | None:
        text = self._resources.cache.get(oid, rests_on) if self._resources.cache else None
        return load_kept(text) if text is not None else None

    def gather(self, begun: Begun) -> dict[str, SignatureFacts]:
        """Wait for the facts, by id; raises UncheckedError ``worker-died``."""
        facts = begun.facts
        if begun.answer is not None:
            texts = dict(zip((job.oid for job in begun.jobs), begun.answer.wait(), strict=True))
            texts |= self._by_newer_root(begun.jobs, texts)
            texts |= self._with_fetched_entries(begun.jobs, texts)
            fresh = {oid: load_facts(text) for oid, text in texts.items()}
            facts.update(fresh)
            self._keep(texts, fresh, begun.seconds.values())
        facts.update(self._finish_foreign(begun.foreign))
        if begun.smime:
            facts.update(self._smime.verify(begun.smime, self._resources.settings.trusted_root))
        for oid, second in begun.seconds.items():
            if facts[oid].form == "sigstore":
                facts[oid] = with_second(facts[oid], facts[second.oid] if isinstance(second, Job) else second)
        return facts

    def _by_newer_root(self, jobs: Sequence[Job], texts: dict[str, str]) -> dict[str, str]:
        """Verify once more what lacked an authority, by a newer trust root if there is one."""
        if self._resources.renew is None:
            return {}
        lacking = [(job, error) for job in jobs if (error := _lacking(texts[job.oid])) is not None]
        trusted_root = self._resources.settings.trusted_root
        if not lacking or not (self._resources.renewed(lacking[0][1]) or trusted_root is not self._first_root):
            return {}
        return self._verified([job for job, _ in lacking])

    def _with_fetched_entries(self, jobs: Sequence[Job], texts: dict[str, str]) -> dict[str, str]:
        """Verify online-mode objects once more, with the entries that a store or the log has for them."""
        wanted = [
            job for job in jobs if NOT_EMBEDDED in texts[job.oid] and load_facts(texts[job.oid]).reason == NOT_EMBEDDED
        ]
        if not wanted or self._resources.fetch is None:
            return {}
        entries = self._resources.fetch(wanted)
        again = [job._replace(entries=entries[job.oid]) for job in wanted if entries.get(job.oid)]
        found = self._verified(again)
        return found | self._verified(self._from_the_log(again, found))

    def _from_the_log(self, jobs: Sequence[Job], found: dict[str, str]) -> list[Job]:
        """Anybody can write a note: where kept entries do not hold, the log is asked in their place."""
        refused = [job for job in jobs if load_facts(found[job.oid]).status == "unchecked"]
        if not refused or self._resources.fetch is None:
            return []
        entries = self._resources.fetch(refused)
        return [job._replace(entries=entries[job.oid]) for job in refused if entries.get(job.oid)]

    def _verified(self, jobs: Sequence[Job]) -> dict[str, str]:
        if not jobs:
            return {}
        return dict(zip((job.oid for job in jobs), self._resources.workers().submit(jobs).wait(), strict=True))

    def _keep(
        self, texts: dict[str, str], facts: dict[str, SignatureFacts], seconds: "Iterable[Job | SignatureFacts]"
    ) -> None:
        """Keep what no later run could find otherwise: good, or bad for a reason that stays.

        A second signature's name is what the repository says it is, so those facts count for its very content alone.
        """
        if self._resources.cache is None:
            return
        contents = {job.oid: content_of(job) for job in seconds if isinstance(job, Job)}
        lasting = [
            (oid, texts[oid])
            for oid, found in facts.items()
            if found.status in _CACHED and found.reason not in _TIME_DEPENDENT
        ]
        self._resources.cache.put(one for one in lasting if one[0] not in contents)
        for oid, text in lasting:
            if oid in contents:
                self._resources.cache.put(((oid, text),), contents[oid])

    def _begin_foreign(self, items: Sequence[Scanned]) -> "ForeignBatch | dict[str, SignatureFacts]":
        try:
            for form in {item.form for item in items} - self._resources.keys.keys():
                self._resources.keys[form] = self._foreign.state(form)
            return self._foreign.begin(items) if items else {}
        except UncheckedError as error:
            self._resources.keys |= {item.form: b"" for item in items}
            return unchecked(items, error)

    def _finish_foreign(self, begun: "ForeignBatch | dict[str, SignatureFacts]") -> dict[str, SignatureFacts]:
        if isinstance(begun, dict):
            return begun
        try:
            return self._foreign.finish(begun)
        except UncheckedError as error:
            return unchecked(begun.items, error)

    def keep(self) -> None:
        """Keep what is worth it at the end of a run."""
        self._foreign.keep()


def _lacking(text: str) -> GitsignError | None:
    """The error of facts that lack an authority of the trust root."""
    if '"unchecked"' not in text:
        return None
    facts = load_facts(text)
    error = UncheckedError(facts.reason, facts.message)
    return error if facts.status == "unchecked" and lacks_authority(error) else None

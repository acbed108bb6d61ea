"""Attack: a repository of two hash algorithms says under which other name each of its objects goes.

Who makes such a repository writes that table (``objects/loose-object-idx``). The facts of a second signature were kept
under the name from there: Alice's signature over one commit, audited as the second one of a made-up commit, was then
kept as the verdict about any commit that the table named, in every other repository.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitsign_py.audit import seconds
from gitsign_py.audit.cache import Basis, FactsCache
from gitsign_py.audit.gathering import Gathering
from gitsign_py.audit.jobs import VerifySettings
from gitsign_py.audit.resources import Resources
from gitsign_py.audit.scan import scan
from gitsign_py.core.git.gitobject import join_commit, split_commit
from gitsign_py.host.git.walk import Git
from gitsign_py.policy.facts import SignatureFacts
from tests.support.bulksigner import BulkSigner
from tests.support.history import History

BLOCK = b"-----BEGIN SIGNED MESSAGE-----\nMIII\n-----END SIGNED MESSAGE-----\n"


class World:
    """A commit by Alice, one that claims to be hers, and a repository of two hashes that somebody else made."""

    def __init__(self, folder: Path) -> None:
        signer = BulkSigner(folder / "authority")
        self.settings = VerifySettings(signer.trusted_root, datetime.now(UTC))
        self.folder, self.history, self.hostile = folder, History(signer=signer.sign), History("sha256", signer.sign)
        self.real = self.history.commit(signed="alice", files={"a": "1"})
        changed = split_commit(self.history.objects[self.real].data).payload + b"evil\n"
        self.evil = self.history.add("commit", join_commit(changed, BLOCK))
        self.names: Mapping[str, str] = {}

    def hold(self, first: bytes = BLOCK, more: bytes = b"") -> str:
        """A SHA-256 commit whose second signature is Alice's over her commit, as the table has it."""
        signed = split_commit(self.history.objects[self.real].data)
        tree = self.hostile.tree({"a": "1"})
        payload = signed.payload.replace(signed.tree.encode(), tree.encode()) + more
        head, body = join_commit(payload, first, "sha256").split(b"\n\n", 1)
        second = (signed.signature or b"")[:-1].replace(b"\n", b"\n ")
        oid = self.hostile.add("commit", head + b"\ngpgsig " + second + b"\n\n" + body)
        self.names = {**self.names, tree: signed.tree}
        return oid

    def facts(self, history: History, *oids: str) -> list[SignatureFacts]:
        """What an audit finds, by the one cache of this user."""
        items = [scan(oid, "commit", history.objects[oid].data, two_hashes=history is self.hostile) for oid in oids]
        with FactsCache(self.folder / "cache", Basis.of_signatures(self.settings)) as cache:
            gathering = Gathering(
                Git({}, self.folder, two_hashes=history is self.hostile), Resources(self.settings, 1, cache)
            )
            found = gathering.gather(gathering.begin(items))
        return [found[oid] for oid in oids]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    monkeypatch.setattr(seconds, "other_names", lambda _run, _oids: made.names)  # git's answer, from 2.45 on
    return made


def test_a_name_from_the_table_is_no_key_of_kept_facts(world: World) -> None:
    held = world.hold()
    world.names = {**world.names, held: world.evil}
    world.facts(world.hostile, held)
    [found] = world.facts(world.history, world.evil)
    assert (found.status, found.identity) == ("bad", "")


def test_kept_facts_of_another_object_are_not_those_of_a_second_signature(world: World) -> None:
    """Alice's own commit was audited before; here another signature stands under its name."""
    assert world.facts(world.history, world.real)[0].status == "good"
    held = world.hold(more=b"by nobody\n")
    world.names = {**world.names, held: world.real}
    world.facts(world.hostile, held)
    [job] = seconds.second_jobs(
        Git({}, world.folder, two_hashes=True),
        [scan(held, "commit", world.hostile.objects[held].data, two_hashes=True)],
    ).values()
    assert not isinstance(job, SignatureFacts)
    with FactsCache(world.folder / "cache", Basis.of_signatures(world.settings)) as cache:
        text = cache.get(job.oid, seconds.content_of(job))
    assert text is not None
    assert '"bad"' in text


def test_two_objects_have_no_name_together(world: World) -> None:
    """The facts of the one must not stand for the other's."""
    good, other = world.hold(), world.hold(more=b"by nobody\n")
    world.names = {**world.names, good: world.real, other: world.real}
    items = [scan(oid, "commit", world.hostile.objects[oid].data, two_hashes=True) for oid in (good, other, good)]
    found = seconds.second_jobs(Git({}, world.folder, two_hashes=True), items)
    assert {oid: getattr(one, "reason", "") for oid, one in found.items()} == dict.fromkeys(
        (good, other), "signature-second-unchecked"
    )
    world.names = {**world.names, other: world.evil}
    assert not any(
        isinstance(one, SignatureFacts)
        for one in seconds.second_jobs(Git({}, world.folder, two_hashes=True), items).values()
    )

"""Online-mode tags by gitsign 0.16.0 and 0.16.1: logged under the id that a commit with this signature would have."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from gitsign_py.audit.jobs import Job, VerifySettings
from gitsign_py.audit.verify import JobVerifier
from gitsign_py.core.git.gitobject import object_id
from gitsign_py.core.pki.certificate import Certificate
from gitsign_py.core.tlog.logentry import LogEntry, encode_entry
from gitsign_py.errors import UncheckedError
from gitsign_py.verification.signature import Sources
from gitsign_py.verification.steps import Report
from gitsign_py.verification.verifier import Verifier
from tests.support.forge import Forged, forge, v001_body
from tests.support.forgedworld import LOGGED, World, key, sign

Find = Callable[[bytes, Certificate], Sequence[LogEntry]]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def tag(world: World) -> Forged:
    return forge(world, kind="tag", log=None)


def logged_as(made: Forged) -> str:
    """The name as those versions made it: the header of a commit's signature, the kind of a tag."""
    head, _, message = made.payload.partition(b"\n\n")
    folded = b"gpgsig " + made.signature.rstrip(b"\n").replace(b"\n", b"\n ")
    return object_id("tag", head + b"\n" + folded + b"\n\n" + message)


def entry(world: World, name: str) -> LogEntry:
    signature = sign(key(20), name.encode())
    index = world.v1.append(v001_body(name.encode(), signature, world.leaf()))
    return world.v1.entry(index, time=int(LOGGED.timestamp()))


def log_of(entries: dict[str, LogEntry]) -> Find:
    by_digest = {hashlib.sha256(name.encode()).digest(): found for name, found in entries.items()}
    return lambda digest, _certificate: [by_digest[digest]] if digest in by_digest else []


def test_the_other_name_is_looked_up_too_and_the_case_is_named(world: World, tag: Forged) -> None:
    other, report = logged_as(tag), Report()
    verifier = Verifier(
        world.trusted, LOGGED + timedelta(minutes=1), find=Sources(log_of({other: entry(world, other)}))
    )
    verifier.verify(tag.payload, tag.signature, object_id=tag.oid, report=report)
    facts = next(step.facts for step in report.steps if step.number == "4.1")
    assert facts["logged_as"] == f"{other}, the id with the signature in the header (gitsign 0.16.0 and 0.16.1)"
    assert facts["object_id"] == tag.oid


def test_an_audit_takes_a_kept_entry_under_the_other_name(world: World, tag: Forged) -> None:
    kept = (encode_entry(entry(world, logged_as(tag)), with_body=True),)
    job = Job(tag.oid, tag.payload, tag.signature, kept)
    assert JobVerifier(VerifySettings(world.trusted, LOGGED + timedelta(minutes=1))).verify(job).status == "good"


@pytest.mark.parametrize("change", ["another tag's", "a commit's"])
def test_no_other_name_counts(world: World, tag: Forged, change: str) -> None:
    """A name that this very tag with this very signature does not have proves nothing about it."""
    if change == "another tag's":
        other = logged_as(replace(tag, payload=tag.payload + b"more\n"))
        made = tag
    else:
        made = forge(world, log=None)
        other = logged_as(made)
    found = entry(world, other)
    verifier = Verifier(
        world.trusted, LOGGED + timedelta(minutes=1), find=Sources(lambda _digest, _certificate: [found])
    )
    with pytest.raises(UncheckedError) as caught:
        verifier.verify(made.payload, made.signature, object_id=made.oid)
    assert caught.value.reason == "log-entry-unproven"

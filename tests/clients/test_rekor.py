"""The Rekor v1 client: on the local stack, and on a server between that changes the stack's answers."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from gitsign_py.clients.fulcio import FulcioClient
from gitsign_py.clients.rekor import MAX_FOUND, RekorClient
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.dsse import IN_TOTO_PAYLOAD_TYPE, Envelope, EnvelopeSignature, pae
from gitsign_py.core.encoding import b64_decode, b64_encode
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.core.tlog.logentry import LogEntry, parse_hashedrekord
from gitsign_py.errors import ConfigError, FormatError, ServiceError
from gitsign_py.ports import Sign
from gitsign_py.signing.credential import new_key
from tests.support.badserver import Action, changed_json, drop, forward, reply, serving, slow, unused_url
from tests.support.stack import RunningStack

CREATE = "POST /api/v1/log/entries"


ADDRESS = "rekor@example.com"  # nobody else's: other tests on this stack sign hundreds of times as Alice


@dataclass(frozen=True, slots=True)
class Signer:
    sign: Sign
    certificate: bytes

    def submit(self, client: RekorClient, text: str) -> LogEntry:
        message = text.encode()
        return client.submit(
            digest=hashlib.sha256(message).digest(), signature=self.sign(message), certificate=self.certificate
        )


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession(Limits(total=5.0, backoff=0.01), jitter=lambda: 0.0) as opened:
        yield opened


@pytest.fixture(scope="module")
def signer(stack: RunningStack) -> Signer:
    """A key with a certificate of the stack: the log takes no others' signatures."""
    spki, sign = new_key()
    with HttpSession() as session:
        issued = FulcioClient(session, stack.url).issue(
            token=IdentityToken(stack.token(ADDRESS)), public_key_spki=spki, sign=sign
        )
    return Signer(sign, issued.chain[0])


@pytest.fixture
def rekor(session: HttpSession, stack: RunningStack) -> RekorClient:
    return RekorClient(session, stack.url)


def test_an_entry_comes_back_as_it_was_sent(rekor: RekorClient, signer: Signer) -> None:
    entry = signer.submit(rekor, "comes back")
    record = parse_hashedrekord(entry.body)
    assert record.digest == hashlib.sha256(b"comes back").digest()
    assert record.verifier_der == signer.certificate
    assert entry.integrated_time > 0
    assert entry.inclusion_proof is not None


def test_an_entry_that_is_there_already_is_fetched(rekor: RekorClient, signer: Signer) -> None:
    message = b"twice"
    digest, signature = hashlib.sha256(message).digest(), signer.sign(message)
    first = rekor.submit(digest=digest, signature=signature, certificate=signer.certificate)
    again = rekor.submit(digest=digest, signature=signature, certificate=signer.certificate)
    assert (again.log_index, again.body) == (first.log_index, first.body)


def test_entries_are_found_by_digest_and_certificate(rekor: RekorClient, signer: Signer) -> None:
    entry = signer.submit(rekor, "findable")
    digest = hashlib.sha256(b"findable").digest()
    for query in ({"digest": digest}, {"digest": digest, "certificate": signer.certificate}):
        (found,) = rekor.find(**query)
        assert (found.log_index, found.body) == (entry.log_index, entry.body)
    assert entry.log_index in {one.log_index for one in rekor.find(certificate=signer.certificate)}


def test_a_miss_is_no_entry(rekor: RekorClient) -> None:
    assert rekor.find(digest=bytes(32)) == ()
    assert rekor.by_index(10**9) is None
    assert rekor.by_uuid("0" * 64) is None


def test_entries_are_found_by_address(rekor: RekorClient, signer: Signer) -> None:
    signer.submit(rekor, "by address")
    assert rekor.search(email=ADDRESS)
    assert rekor.search(email="nobody@example.com") == ()


def test_an_entry_is_fetched_by_uuid_and_index(rekor: RekorClient, signer: Signer) -> None:
    entry = signer.submit(rekor, "by name")
    (uuid,) = rekor.search(digest=hashlib.sha256(b"by name").digest())
    for found in (rekor.by_uuid(uuid), rekor.by_uuid(uuid[-64:]), rekor.by_index(entry.log_index)):
        assert found is not None
        assert (found.log_index, found.body) == (entry.log_index, entry.body)


def test_many_entries_are_fetched_in_batches(rekor: RekorClient, signer: Signer) -> None:
    indexes = [signer.submit(rekor, f"batch {number}").log_index for number in range(12)]
    assert [entry.log_index for entry in rekor.retrieve(indexes=indexes)] == indexes


def test_the_log_describes_itself(rekor: RekorClient, signer: Signer) -> None:
    for number in range(3):
        signer.submit(rekor, f"grow {number}")
    info = rekor.info()
    assert info.size >= 3
    assert len(info.root_hash) == 32
    assert f"\n{info.size}\n" in info.checkpoint.decode()
    assert all(len(one) == 32 for one in rekor.consistency(1, info.size))
    assert rekor.consistency(1, info.size, tree_id=info.tree_id) == rekor.consistency(1, info.size)
    assert rekor.public_key().startswith(b"\x30")


def test_a_search_for_nothing_is_a_mistake_of_the_caller(rekor: RekorClient) -> None:
    with pytest.raises(ValueError, match="nothing"):
        rekor.find()


@pytest.mark.parametrize("uuid", ["", "x" * 64, "A" * 64, "0" * 63, "0" * 64 + "\n", "../" + "0" * 64])
def test_a_uuid_that_is_none_is_not_asked_for(session: HttpSession, uuid: str) -> None:
    with serving(reply(200, {})) as server, pytest.raises(FormatError):
        RekorClient(session, server.url).by_uuid(uuid)
    assert server.requests == []


def submit_through(session: HttpSession, signer: Signer, *actions: Action, text: str = "through") -> ServiceError:
    with serving(*actions) as server, pytest.raises(ServiceError) as caught:
        signer.submit(RekorClient(session, server.url), text)
    assert caught.value.message.startswith(f"Rekor at {server.url}")
    return caught.value


def fetched(stack: RunningStack, text: str) -> Any:
    """The stack's answer about an entry that is there already."""
    query = {"hash": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}
    (uuid,) = stack.post("/api/v1/index/retrieve", query).json()
    return stack.get(f"/api/v1/log/entries/{uuid}").json()


def test_somebody_elses_entry_is_refused(
    session: HttpSession, rekor: RekorClient, signer: Signer, stack: RunningStack
) -> None:
    signer.submit(rekor, "somebody else's")
    error = submit_through(session, signer, reply(201, fetched(stack, "somebody else's")))
    assert error.reason == "service-answer-foreign"
    assert "somebody else's entry" in error.message


def test_a_conflict_that_leads_to_somebody_elses_entry_is_refused(
    session: HttpSession, rekor: RekorClient, signer: Signer, stack: RunningStack
) -> None:
    signer.submit(rekor, "elsewhere")
    (uuid,) = rekor.search(digest=hashlib.sha256(b"elsewhere").digest())
    conflict = reply(409, {"code": 409}, {"Location": f"/api/v1/log/entries/{uuid}"})
    assert submit_through(session, signer, conflict, forward(stack.url)).reason == "service-answer-foreign"


@pytest.mark.parametrize(
    "location", ["", "/api/v1/log/entries/", "/api/v1/log/entries/../../x", "http://evil/" + "g" * 64]
)
def test_a_conflict_that_leads_nowhere_is_refused(session: HttpSession, signer: Signer, location: str) -> None:
    error = submit_through(session, signer, reply(409, {"code": 409}, {"Location": location}))
    assert error.reason == "service-answer-invalid"


def test_a_conflict_never_leads_to_another_host(session: HttpSession, signer: Signer) -> None:
    with serving(reply(200, {})) as evil:
        location = f"{evil.url}/api/v1/log/entries/{'0' * 64}"
        submit_through(session, signer, reply(409, {}, {"Location": location}), reply(404, {}))
    assert evil.requests == []


def other_body(value: dict[str, Any]) -> dict[str, Any]:
    ((uuid, entry),) = value.items()
    body = b64_decode(entry["body"])
    return {uuid: {**entry, "body": b64_encode(body.replace(b'"sha256"', b'"sha512"'))}}


def other_uuid(value: dict[str, Any]) -> dict[str, Any]:
    ((uuid, entry),) = value.items()
    return {uuid[:-1] + ("0" if uuid[-1] != "0" else "1"): entry}


@pytest.mark.parametrize("change", [other_body, other_uuid])
def test_an_entry_that_does_not_fit_its_uuid_is_refused(
    session: HttpSession, signer: Signer, stack: RunningStack, change: Any
) -> None:
    error = submit_through(session, signer, forward(stack.url, changed_json(change)), text=f"unfit {change.__name__}")
    assert error.reason == "service-answer-foreign"


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage",
        b"",
        [],
        {},
        {"a": 1},
        {"0" * 64: 1},
        {"0" * 64: {}},
        {"0" * 64: {}, "1" * 64: {}},
        {"0" * 64: {"body": "!"}},
    ],
)
def test_garbage_is_no_entry(session: HttpSession, signer: Signer, answer: object) -> None:
    assert submit_through(session, signer, reply(201, answer)).reason == "service-answer-invalid"


def test_rekor_down_is_one_clear_line(session: HttpSession, signer: Signer) -> None:
    with pytest.raises(ServiceError) as caught:
        signer.submit(RekorClient(session, unused_url()), "down")
    assert caught.value.reason == "service-unreachable"


def test_rekor_slow_is_left_in_time(signer: Signer) -> None:
    with HttpSession(Limits(total=0.3)) as session:
        assert submit_through(session, signer, slow(30)).reason == "service-timeout"


@pytest.mark.parametrize("first", [reply(503, {"message": "busy"}), reply(500), drop()])
def test_rekor_failing_once_takes_the_entry(
    session: HttpSession, signer: Signer, stack: RunningStack, first: Action
) -> None:
    with serving(first, forward(stack.url)) as server:
        assert signer.submit(RekorClient(session, server.url), "retry").log_index >= 0


def test_an_answer_lost_on_the_way_is_found_again(session: HttpSession, signer: Signer, stack: RunningStack) -> None:
    """The first try reaches the log and its answer does not reach us: the second is a conflict, and the entry ours."""

    def lost(status: int, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        return 502, b"", {}

    with serving(forward(stack.url, lost), forward(stack.url)) as server:
        entry = signer.submit(RekorClient(session, server.url), "lost")
    assert parse_hashedrekord(entry.body).digest == hashlib.sha256(b"lost").digest()
    assert [seen.method for seen in server.requests] == ["POST", "POST", "GET"]


def test_a_refusal_is_told_in_the_logs_words(session: HttpSession, signer: Signer, rekor: RekorClient) -> None:
    with pytest.raises(ServiceError) as caught:
        rekor.submit(digest=bytes(32), signature=signer.sign(b"other"), certificate=signer.certificate)
    assert caught.value.facts["status"] == 400
    assert "signature" in caught.value.message


@pytest.mark.parametrize(
    "value", [{}, ["x"], [1], ["0" * 64 + "\n"], [f"{number:064x}" for number in range(MAX_FOUND + 1)]]
)
def test_an_index_of_another_form_is_refused(session: HttpSession, value: object) -> None:
    with serving(reply(200, value)) as server, pytest.raises(ServiceError) as caught:
        RekorClient(session, server.url).search(digest=bytes(32))
    assert caught.value.reason == "service-answer-invalid"


def test_entries_that_were_not_asked_for_are_refused(
    session: HttpSession, signer: Signer, rekor: RekorClient, stack: RunningStack
) -> None:
    signer.submit(rekor, "asked for")
    foreign = reply(200, [fetched(stack, "asked for")])
    with serving(reply(200, ["0" * 64]), foreign) as server, pytest.raises(ServiceError) as caught:
        RekorClient(session, server.url).find(digest=bytes(32))
    assert caught.value.reason == "service-answer-foreign"


@pytest.mark.parametrize("value", [{}, [{}] * 2, [1]])
def test_a_retrieval_of_another_form_is_refused(session: HttpSession, value: object) -> None:
    with serving(reply(200, value)) as server, pytest.raises(ServiceError):
        RekorClient(session, server.url).retrieve(indexes=[1])


def test_an_entry_of_another_index_is_refused(
    session: HttpSession, signer: Signer, rekor: RekorClient, stack: RunningStack
) -> None:
    index = signer.submit(rekor, "index").log_index

    def other_index(value: dict[str, Any]) -> dict[str, Any]:
        ((uuid, entry),) = value.items()
        return {uuid: {**entry, "logIndex": index + 1}}

    with serving(forward(stack.url, changed_json(other_index))) as server, pytest.raises(ServiceError) as caught:
        RekorClient(session, server.url).by_index(index)
    assert caught.value.reason in ("service-answer-foreign", "service-answer-invalid")


@pytest.mark.parametrize(
    "value", [[], {}, {"treeID": "1", "treeSize": True, "rootHash": "00" * 32, "signedTreeHead": ""}, {"treeID": 1}]
)
def test_a_description_of_another_form_is_refused(session: HttpSession, value: object) -> None:
    with serving(reply(200, value)) as server:
        client = RekorClient(session, server.url)
        for ask in (client.info, lambda: client.consistency(1, 2), client.public_key):
            with pytest.raises(ServiceError):
                ask()


def envelope_of(signer: Signer, text: str) -> Envelope:
    payload = text.encode()
    return Envelope(
        payload, IN_TOTO_PAYLOAD_TYPE, (EnvelopeSignature(signer.sign(pae(IN_TOTO_PAYLOAD_TYPE, payload))),)
    )


def test_an_envelope_is_logged_as_its_own_kind_once(rekor: RekorClient, signer: Signer) -> None:
    envelope = envelope_of(signer, '{"a":1}')
    entry = rekor.submit_envelope(envelope=envelope, certificate=signer.certificate)
    assert (entry.kind, entry.version) == ("dsse", "0.0.1")
    again = rekor.submit_envelope(envelope=envelope, certificate=signer.certificate)
    assert again.log_index == entry.log_index, "the log says that it is there"


@pytest.mark.parametrize("other", ["payload", "signature", "kind"])
def test_somebody_elses_entry_for_an_envelope_is_refused(
    session: HttpSession, rekor: RekorClient, signer: Signer, stack: RunningStack, other: str
) -> None:
    mine = envelope_of(signer, f'{{"mine":"{other}"}}')
    theirs = mine if other == "signature" else envelope_of(signer, f'{{"theirs":"{other}"}}')
    if other == "kind":
        entry = signer.submit(rekor, "no envelope")
    else:
        entry = rekor.submit_envelope(envelope=theirs, certificate=signer.certificate)
    if other == "signature":
        mine = envelope_of(signer, f'{{"mine":"{other}"}}')  # ECDSA: signed anew, another signature
    answer = reply(
        201, session.exchange("Rekor", "GET", f"{stack.url}/api/v1/log/entries?logIndex={entry.log_index}").json()
    )
    with serving(answer) as server, pytest.raises(ServiceError) as caught:
        RekorClient(session, server.url).submit_envelope(envelope=mine, certificate=signer.certificate)
    assert caught.value.reason == "service-answer-foreign"


def test_a_url_that_is_none_is_refused_at_once(session: HttpSession) -> None:
    with pytest.raises(ConfigError, match="Rekor"):
        RekorClient(session, "ftp://rekor.example")

"""The matrix {issuer type} x {published Fulcio, local Fulcio} x {flow}: no certificate is refused that was logged.

Each cell signs in (or brings its token), gets a certificate and holds it against the token; docs/sign-in.md has the
table. Both servers read the same file of issuers. A token with an address beside its workload's claims is the case that
was refused before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509

from gitsign_py.agent.holder import Holder, SigningPlan
from gitsign_py.agent.ledger import Ledger
from gitsign_py.clients.fulcio import FulcioClient, KnownConfigurations
from gitsign_py.clients.oidc import Client, discover
from gitsign_py.clients.oidc_browser import BrowserSettings, sign_in_with_browser
from gitsign_py.clients.session import HttpSession, Limits
from gitsign_py.core.pki import oids
from gitsign_py.core.sigstore.mapping import configured
from gitsign_py.core.sigstore.token import IdentityToken
from gitsign_py.errors import PolicyError
from gitsign_py.host.tokens import GivenToken
from gitsign_py.signing.credential import Credential, CredentialRequest, obtain_credential
from gitsign_py.signing.wanted import WantedSigner
from tests.support.browser import Browser
from tests.support.docs import DOCS
from tests.support.issuertypes import TYPES, Issuers, issuers
from tests.support.realfulcio import running
from tests.support.signingkit import FixedToken, SigningKit
from tests.support.stack import running_stack
from tests.support.workbench import Workbench

pytestmark = pytest.mark.unmeasured
SERVERS = ("local", "published")
FLOWS = ("handed", "agent", "browser")
_SUBJECT_KEY = "2.5.29.14"
_BY_TEMPLATES = ("gitlab-pipeline", "buildkite-job")
"""Ours writes for these what the public instance's templates make of their tokens (type ci-provider there)."""


@dataclass(frozen=True)
class World:
    """The issuers, and a kit on the stack; the published Fulcio has the CA of the stack's."""

    issuers: Issuers
    kit: SigningKit

    def authority(self, url: str) -> FulcioClient:
        return FulcioClient(self.kit.session, url)

    def request(self, **more: Any) -> CredentialRequest:
        return CredentialRequest(self.kit.trusted_root, **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("types")
    with issuers() as served, HttpSession(Limits(total=30.0)) as session:
        (folder / "issuers.yaml").write_text(served.configuration())
        with running_stack(folder / "stack", "--issuers", str(folder / "issuers.yaml")) as stack:
            yield World(served, SigningKit(stack, session))


@pytest.fixture(scope="module")
def published(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(world.kit.stack, tmp_path_factory.mktemp("published"), world.issuers.configuration()) as real:
        yield real.url


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, world: World) -> str:
    """The URL of either."""
    return str(request.getfixturevalue("published")) if request.param == "published" else world.kit.stack.url


class Agreed:
    """A consent book in which everything stands, and a conversation with somebody who agrees."""

    restricted = False
    gone = False

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_fields: True


def handed(world: World, kind: str, authority: FulcioClient, *, mailed: bool) -> Credential:
    token = FixedToken(world.issuers.token(kind, mailed=mailed))
    return obtain_credential(world.request(), tokens=token, authority=authority, now=datetime.now(UTC))


def by_agent(world: World, kind: str, authority: FulcioClient, *, mailed: bool) -> Credential:
    """Twice: what is held is found again by the same token, and nothing new is logged."""
    token, kit = world.issuers.token(kind, mailed=mailed), world.kit
    plan = SigningPlan(
        slot="slot",
        label="here",
        fulcio="https://fulcio.example.com",
        issuer=world.issuers.url(kind),
        services=kit.services(authority=authority),
        options=kit.options(),
        match_committer="false",
        consent=cast(Any, Agreed()),
        given=GivenToken(IdentityToken(token), "a test"),
    )
    holder = Holder(lambda: datetime.now(UTC), Ledger(lambda: datetime.now(UTC)))
    once, again = (holder.credential(plan, ("Alice", "alice@example.com"), cast(Any, Agreed()))[1] for _ in range(2))
    assert once is again
    return once


def by_browser(world: World, kind: str, authority: FulcioClient, *, mailed: bool) -> Credential:
    """The issuer's page sends the browser back at once. Its tokens have an address."""
    assert mailed
    browser = Browser(lambda page: page)
    tokens = sign_in_with_browser(
        world.kit.session, discover(world.kit.session, world.issuers.url(kind)), Client("sigstore"),
        BrowserSettings(timeout=20), dialogue=browser.person, environment={}, now=lambda: datetime.now(UTC),
    )  # fmt: skip
    browser.close()
    token = FixedToken(tokens.identity.raw)
    return obtain_credential(world.request(), tokens=token, authority=authority, now=datetime.now(UTC))


_FLOWS: dict[str, Callable[..., Credential]] = {"handed": handed, "agent": by_agent, "browser": by_browser}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("kind", TYPES)
def test_each_type_gives_the_name_of_its_kind(world: World, kind: str, server: str, flow: str) -> None:
    for mailed in (True, False):
        if flow == "browser" and not mailed:
            continue
        made = _FLOWS[flow](world, kind, world.authority(server), mailed=mailed)
        assert (made.identity.san_type, made.identity.value) == world.issuers.name(kind), mailed
        assert made.identity.issuer == world.issuers.url(kind)


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in _BY_TEMPLATES])
def test_both_write_the_same_certificate(world: World, published: str, kind: str) -> None:
    for mailed in (True, False):
        servers = (world.kit.stack.url, published)
        one, other = (extensions(handed(world, kind, world.authority(url), mailed=mailed)) for url in servers)
        assert one == other, mailed


def extensions(made: Credential) -> dict[str, bytes]:
    found = x509.load_der_x509_certificate(made.certificate.raw).extensions
    named = {str(each.oid.dotted_string): each.value.public_bytes() for each in found}
    return {name: value for name, value in named.items() if name not in (oids.SCT_LIST, _SUBJECT_KEY)}


def test_both_tell_the_same_configuration(world: World, published: str) -> None:
    told = [world.authority(url).configuration() for url in (world.kit.stack.url, published)]
    for kind in TYPES:
        one, other = (configured(each, world.issuers.url(kind)) for each in told)
        assert one == other
        assert one is not None
        assert one.issuer_type == kind.partition(" ")[0]


def test_another_name_than_the_wanted_one_is_refused_before_it_is_logged(world: World, server: str) -> None:
    """The address that a token has is no name that these types give; the name that they give can be asked for."""
    for kind in ("uri", "username", "chainguard-identity"):
        logged = world.kit.stack.get("/ct/v1/get-sth").json()["tree_size"]
        token = FixedToken(world.issuers.token(kind, mailed=True))
        for request in (
            world.request(wanted=WantedSigner("alice@example.com")),
            world.request(committer=("Alice", "alice@example.com")),
            world.request(agree=_refuse),
        ):
            with pytest.raises(PolicyError):
                obtain_credential(
                    request, tokens=token, authority=world.authority(server), now=datetime.now(UTC)
                )  # fmt: skip
        assert world.kit.stack.get("/ct/v1/get-sth").json()["tree_size"] == logged, "nothing was published"
        wanted = world.request(wanted=WantedSigner(world.issuers.name(kind)[1]))
        assert obtain_credential(wanted, tokens=token, authority=world.authority(server), now=datetime.now(UTC))


def test_what_a_template_makes_can_be_asked_for(world: World, server: str) -> None:
    """Its name is no claim of the token; an address is refused by the token alone."""
    token = FixedToken(world.issuers.token("ci-provider", mailed=False))
    wanted = world.request(wanted=WantedSigner(world.issuers.name("ci-provider")[1]))
    assert obtain_credential(wanted, tokens=token, authority=world.authority(server), now=datetime.now(UTC))
    address = world.request(wanted=WantedSigner("alice@example.com"))
    with pytest.raises(PolicyError, match="nobody is signed in"):
        obtain_credential(address, tokens=token, authority=world.authority(server), now=datetime.now(UTC))


def _refuse(identity: str, kind: str) -> None:
    raise PolicyError("consent-refused", f"{kind} {identity}")


def test_a_token_that_decides_alone_costs_no_question_and_others_one(world: World, server: str) -> None:
    asked: list[str] = []

    class Counting(FulcioClient):
        def _get(self, path: str) -> Any:
            asked.append(path)
            return super()._get(path)

    known = KnownConfigurations()
    for kind, mailed, questions in (
        ("email", True, 0),
        ("spiffe", False, 0),
        ("github-workflow", False, 0),
        ("username", True, 1),
        ("username", True, 0),
        ("ci-provider", False, 0),
    ):
        before = len(asked)
        handed(world, kind, Counting(world.kit.session, server, known), mailed=mailed)
        assert len(asked) - before == questions, kind


def test_a_commit_with_a_user_name(world: World, server: str, tmp_path: Path) -> None:
    """From git to git: the type that has no address and no URL, by a token that has an address."""
    bench, who, issuer = Workbench(tmp_path, world.kit.stack), "alice!127.0.0.1", world.issuers.url("username")
    bench.init()
    bench.configure("gitsign.matchCommitter=false")
    bench.commit(SIGSTORE_ID_TOKEN=world.issuers.token("username", mailed=True), GITSIGN_FULCIO_URL=server)
    done = bench.tool("verify", "--certificate-identity", who, "--certificate-oidc-issuer", issuer, "HEAD")
    assert done.returncode == 0, done.stdout


def test_the_page_has_every_type_and_flow() -> None:
    text = (DOCS / "sign-in.md").read_text()
    header = next(line for line in text.splitlines() if line.startswith("| issuer type |"))
    assert header.count("|") == len(FLOWS) + 3
    for kind in TYPES:
        assert f"\n| {kind.partition(' ')[0]} |" in text, kind

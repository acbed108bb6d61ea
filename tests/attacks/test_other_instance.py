"""A private trust root does not choose where to sign, so the token for the private instance goes to another Fulcio.

The attack needs nothing but a setting that is missing: with GITSIGN_TRUST_BUNDLE or a private TUF root alone, a person
signs in for the private instance and the public Fulcio is handed the token. Where to sign comes with the trust, and a
Fulcio that the trust root does not know is refused before anything is sent.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.cli import instance, wiring
from gitsign_py.clients import belonging
from gitsign_py.clients.session import HttpSession
from gitsign_py.core.frozen import replace
from gitsign_py.core.trust.root import format_trusted_root, parse_trusted_root
from gitsign_py.errors import ConfigError, ServiceError
from tests.support.badserver import forward, serving
from tests.support.gitrepo import ISOLATED, ScratchRepo
from tests.support.stack import RunningStack
from tests.support.workbench import Workbench

CLIENT_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"


@pytest.fixture
def session() -> Iterator[HttpSession]:
    with HttpSession() as made:
        yield made


def settings(tmp_path: Path, **variables: str) -> wiring.Settings:
    return wiring.load_settings({**ISOLATED, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **variables})


def client_config(stack: RunningStack) -> str:
    files = stack.info.files
    parts = {name: json.loads(Path(files[f"{name}.json"]).read_bytes()) for name in ("trusted_root", "signing_config")}
    return json.dumps(
        {"mediaType": CLIENT_CONFIG, "trustedRoot": parts["trusted_root"], "signingConfig": parts["signing_config"]}
    )


def refused(chosen: instance.Endpoints, given: wiring.Settings, session: HttpSession) -> str:
    with pytest.raises(ConfigError) as caught:
        instance.check_instance(session, chosen, wiring.trusted_root(given))
    assert caught.value.reason == "instance-mismatch"
    return caught.value.message


@pytest.mark.parametrize("variable", ["GITSIGN_TRUST_BUNDLE", "GITSIGN_TRUSTED_ROOT"])
def test_a_private_trust_root_alone_sends_nothing_to_the_public_instance(
    stack: RunningStack, tmp_path: Path, session: HttpSession, variable: str
) -> None:
    value = str(stack.trusted_root)
    given = settings(tmp_path, **{variable: value})
    assert "fulcio.sigstore.dev" in refused(instance.endpoints(given), given, session)


def test_signing_itself_refuses_before_the_token_is_fetched(bench: Workbench, stack: RunningStack) -> None:
    variables: dict[str, Any] = dict.fromkeys(("GITSIGN_FULCIO_URL", "SIGSTORE_FULCIO_URL"), "")
    done = bench.try_git("commit", "-S", "--allow-empty", "-qm", "one", **variables)
    assert done.returncode != 0
    assert b"instance-mismatch" in done.stderr


def test_a_client_trust_config_brings_its_services(stack: RunningStack, tmp_path: Path, session: HttpSession) -> None:
    given = settings(tmp_path, GITSIGN_TRUST_BUNDLE=client_config(stack))
    chosen = instance.endpoints(given)
    assert (chosen.fulcio, chosen.issuer) == (stack.url, stack.url)
    instance.check_instance(session, chosen, wiring.trusted_root(given))
    variables = {"GITSIGN_TRUST_BUNDLE": client_config(stack), "GITSIGN_FULCIO_URL": "http://x"}
    explicit = instance.endpoints(settings(tmp_path, **variables))
    assert explicit.fulcio == "http://x"


PUBLIC_LOG = "https://rekor.sigstore.dev"


def test_entries_of_a_private_instance_are_looked_for_in_its_own_log(stack: RunningStack, tmp_path: Path) -> None:
    """An online-mode signature's digest and certificate are what would be told to another log."""
    root, repository = str(stack.trusted_root), tmp_path / "repository"
    assert instance.searched_log(settings(tmp_path)) == PUBLIC_LOG
    assert instance.searched_log(settings(tmp_path, GITSIGN_INSTANCE="staging")) == "https://rekor.sigstage.dev"
    for trust in ({"GITSIGN_TRUST_BUNDLE": client_config(stack)}, {"GITSIGN_TRUSTED_ROOT": root}):
        assert instance.searched_log(settings(tmp_path, **trust)) == stack.url
        assert instance.searched_log(settings(tmp_path, GITSIGN_REKOR_URL="http://mine", **trust)) == "http://mine"
    services = str(stack.info.files["signing_config.json"])
    assert instance.searched_log(settings(tmp_path, GITSIGN_SIGNING_CONFIG=services)) == stack.url
    ScratchRepo.init(repository).git("config", "gitsign.signingConfig", services)
    named = wiring.load_settings({**ISOLATED, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, repository)
    assert instance.searched_log(named) == PUBLIC_LOG, "a repository's own configuration names no log in silence"


def test_an_instance_without_a_log_of_version_1_has_none_to_search(stack: RunningStack, tmp_path: Path) -> None:
    value = json.loads(client_config(stack))
    logs = [one for one in value["signingConfig"]["rekorTlogUrls"] if one["majorApiVersion"] == 2]
    value["signingConfig"]["rekorTlogUrls"] = logs
    root = parse_trusted_root(stack.trusted_root.read_bytes())
    tiled = tuple(one for one in root.tlogs if one.log_id != one.public_key.key_id)
    unnamed = tuple(replace(one, base_url="") for one in root.tlogs)
    assert tiled
    for number, logs_there in enumerate((tiled, unnamed)):
        (tmp_path / f"{number}.json").write_bytes(format_trusted_root(replace(root, tlogs=logs_there)))
    hows: list[dict[str, str]] = [{"GITSIGN_TRUST_BUNDLE": json.dumps(value)}, {"GITSIGN_REKOR_URL": "none"}]
    for how in [*hows, *({"GITSIGN_TRUSTED_ROOT": str(tmp_path / name)} for name in ("0.json", "1.json"))]:
        with pytest.raises(ServiceError, match=r"only that can be searched|no log is asked"):
            instance.searched_log(settings(tmp_path, **how))


def test_the_public_instance_is_known_without_a_question(tmp_path: Path, session: HttpSession) -> None:
    given = settings(tmp_path)
    instance.check_instance(session, instance.endpoints(given), wiring.trusted_root(given))


def test_an_explicit_fulcio_is_known_by_its_certificates(stack: RunningStack, session: HttpSession) -> None:
    """The trust root may name another address, or none at all."""
    root = parse_trusted_root(stack.trusted_root.read_bytes())
    authorities = tuple(replace(one, uri="") for one in root.certificate_authorities)
    bare = replace(root, certificate_authorities=authorities, digest="")
    belonging.check_fulcio(session, stack.url, bare, named=True)
    with serving(forward(stack.url)) as server:
        belonging.check_fulcio(session, server.url, root, named=True)
    with pytest.raises(ConfigError):
        belonging.check_fulcio(session, stack.url, bare, named=False)


def test_a_fulcio_of_another_instance_is_refused(tmp_path: Path, stack: RunningStack, session: HttpSession) -> None:
    public = wiring.trusted_root(settings(tmp_path))
    with pytest.raises(ConfigError) as caught:
        belonging.check_fulcio(session, stack.url, public, named=True)
    assert caught.value.reason == "instance-mismatch"
    assert "https://fulcio.sigstore.dev" in caught.value.message


def test_a_fulcio_that_does_not_answer_is_no_mismatch(tmp_path: Path, session: HttpSession) -> None:
    with pytest.raises(ServiceError):
        belonging.check_fulcio(session, "http://127.0.0.1:9", wiring.trusted_root(settings(tmp_path)), named=True)


def test_the_default_log_must_be_the_trust_roots(stack: RunningStack, tmp_path: Path, session: HttpSession) -> None:
    given = settings(tmp_path, GITSIGN_TRUSTED_ROOT=str(stack.trusted_root), GITSIGN_FULCIO_URL=stack.url)
    assert "rekor.sigstore.dev" in refused(instance.endpoints(given), given, session)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example", "https://A.example:443/", True),
        ("http://a.example:80/x/", "http://a.example/x", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "", False),
        ("https://a.example/x", "https://a.example/y", False),
        ("https://[", "https://[", True),
    ],
)
def test_addresses(one: str, other: str, same: bool) -> None:
    assert belonging.same_address(one, other) == same

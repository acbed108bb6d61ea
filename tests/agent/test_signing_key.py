"""user.signingkey and -S<id> choose among the identities that somebody has; one that nobody has is refused by name."""

from pathlib import Path

import pytest

from tests.support.home import EMAIL, Home, living
from tests.support.stack import RunningStack
from tests.support.workbench import Workbench

BOB = "bob@example.com"


def signer(place: Workbench) -> str:
    flags = ["--certificate-identity-regexp", ".*", "--certificate-oidc-issuer", place.stack.url]
    said = place.tool("verify", *flags, "--json", "HEAD").stdout.decode()
    return said.split('"identity": "')[1].split('"')[0]


def test_without_an_agent_the_token_must_be_that_identitys(bench: Workbench) -> None:
    bench.git("config", "gitsign.matchCommitter", "false")
    bench.env["SIGSTORE_ID_TOKEN"] = bench.stack.token()
    bench.commit("by alice", f"-S{EMAIL}")
    bench.commit("by alice, with her issuer", f"-S{bench.stack.url}/{EMAIL}")
    before = bench.stack.get("/api/v1/log").json()["treeSize"]
    for wanted in (
        BOB,
        f"https://other.example/{EMAIL}",
        "https://github.com/o/r/.github/workflows/w.yml@refs/heads/main",
    ):
        done = bench.try_git("commit", "--allow-empty", f"-S{wanted}", "-m", "x")
        assert done.returncode != 0
        said = done.stderr.decode()
        assert f"nobody is signed in as {wanted}," in said
        assert f"here it would be {EMAIL} ({bench.stack.url})" in said
        assert "[signer-unavailable]" in said
    assert bench.stack.get("/api/v1/log").json()["treeSize"] == before
    for other in ("0xDEADBEEFDEADBEEF", "key::ssh-ed25519 AAAA alice@laptop"):
        bench.git("config", "user.signingkey", other)
        bench.commit("a key of another program chooses nobody")
    bench.git("config", "user.signingkey", BOB)
    assert bench.try_git("tag", "-s", "-m", "x", "v1").returncode != 0
    bench.git("tag", "-u", EMAIL, "-m", "x", "v1")


def test_the_local_stack_signs_in_whoever_is_named(bench: Workbench) -> None:
    bench.git("config", "gitsign.matchCommitter", "false")
    bench.commit("by bob", f"-S{BOB}")
    assert signer(bench) == BOB
    bench.commit("by whom the committer is")
    assert signer(bench) == EMAIL


def test_an_agent_holds_several_and_uses_the_one_that_is_named(tmp_path: Path, stack: RunningStack) -> None:
    with living(tmp_path, stack) as home:
        home.git("config", "gitsign.matchCommitter", "false")
        home.git("config", "gitsign.agent", "on")
        for wanted in (EMAIL, BOB, f"{stack.url}/{EMAIL}", BOB):
            home.commit("change", f"-S{wanted}")
        held = {one["identity"]: one["signatures"] for one in home.status()["held"]}
        assert held == {EMAIL: 2, BOB: 2}
        home.person_signs_in()
        home.git("config", "user.signingkey", "carol@example.com")
        with pytest.raises(AssertionError, match=r"nobody is signed in as carol@example.com"):
            home.commit("by nobody", SIGSTORE_ID_TOKEN=stack.token(EMAIL))


def test_whoami_names_whom_user_signingkey_asks_for(home: Home) -> None:
    def says(key: str) -> str:
        home.git("config", "user.signingkey", key)
        return home.run(home.program, "whoami").stdout.partition(" ")[0]

    home.git("config", "gitsign.matchCommitter", "false")
    assert [says(key) for key in (BOB, "0xDEADBEEFDEADBEEF")] == [BOB, EMAIL]
    home.commit("by bob", f"-S{BOB}")
    home.commit("by alice", f"-S{EMAIL}")
    assert [says(key) for key in (EMAIL, BOB, f"{home.stack.url}/{BOB}")] == [EMAIL, BOB, BOB]
    home.git("config", "user.signingkey", f"https://other.example/{BOB}")
    done = home.run(home.program, "whoami")
    assert (done.returncode, done.stdout) == (1, "")
    assert "[signer-unavailable]" in done.stderr


@pytest.mark.parametrize("agent", ["on", "off"])
def test_statements_are_signed_by_whom_user_signingkey_asks_for(home: Home, agent: str) -> None:
    for key, value in (("matchCommitter", "false"), ("agent", agent)):
        home.git("config", f"gitsign.{key}", value)
    home.commit("by alice")
    home.git("config", "user.signingkey", BOB)
    (home.repository / "p.json").write_text("{}")
    said = home.gitsign("attest", "-f", "p.json", "--type", "https://example.com/t")
    assert f"attested by {BOB}" in said
    assert f"approved by {BOB}" in home.gitsign("approve")
    home.git("config", "user.signingkey", f"https://other.example/{BOB}")
    done = home.run(home.program, "approve")
    assert (done.returncode, "[signer-unavailable]" in done.stderr) == (1, True), done.stderr


def test_the_sign_in_page_is_asked_for_the_signer_who_was_named(bench: Workbench) -> None:
    bench.configure("gitsign.tokenProvider=interactive", "gitsign.signInTimeout=1")
    done = bench.try_git("commit", "--allow-empty", f"-S{BOB}", "-m", "x")
    assert "login_hint=bob%40example.com" in done.stderr.decode()
    bench.git("config", "user.signingkey", BOB)
    assert "login_hint=bob%40example.com" in bench.tool("login").stderr.decode()

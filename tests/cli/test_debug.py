"""``gitsign-py debug token``: everything about the token but the token."""

import json

from tests.support.workbench import EMAIL, Workbench


def test_the_claims_are_shown_and_the_token_is_not(bench: Workbench) -> None:
    token = bench.stack.token(EMAIL)
    done = bench.tool("debug", "token", SIGSTORE_ID_TOKEN=token)
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines()[1:])
    assert done.stdout.decode().startswith(f"certificate identity    {EMAIL}\n")
    assert (lines["iss"], lines["email"], lines["aud"]) == (bench.stack.url, EMAIL, '["sigstore"]')
    for part in token.split("."):
        assert part.encode() not in done.stdout + done.stderr


def test_json(bench: Workbench) -> None:
    value = json.loads(bench.tool("debug", "token", "--json").stdout)
    assert value["certificate identity"] == EMAIL
    assert value["iss"] == bench.stack.url
    assert value["exp"].endswith("Z")


def test_raw_prints_the_token_alone(bench: Workbench) -> None:
    token = bench.stack.token()
    assert bench.tool("debug", "token", "--raw", "--token", token).stdout.decode() == token + "\n"


def test_what_a_server_would_refuse_is_said(bench: Workbench) -> None:
    for token, reason in (
        (bench.stack.token(ttl=-60), "token-expired"),
        (bench.stack.token(audience="other"), "token-wrong-audience"),
    ):
        done = bench.tool("debug", "token", "--json", "--token", token)
        assert done.returncode == 1
        assert reason in json.loads(done.stdout)["problem"]


def test_what_is_no_token_is_an_error_that_does_not_repeat_it(bench: Workbench) -> None:
    done = bench.tool("debug", "token", "--token", "se.cr.et")
    assert done.returncode == 2
    assert b"se.cr" not in done.stdout + done.stderr
    assert bench.tool("debug", "nothing").returncode == 2
    assert bench.tool("debug").returncode == 2


def test_no_certificate_and_no_entry_is_made(bench: Workbench) -> None:
    size = bench.stack.get("/api/v1/log").json()["treeSize"]
    assert bench.tool("debug", "token").returncode == 0
    assert bench.stack.get("/api/v1/log").json()["treeSize"] == size

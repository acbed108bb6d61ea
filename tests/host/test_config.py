"""Every setting: its names, its default, which source wins, and what a bad value gives."""

from dataclasses import fields
from pathlib import Path

import pytest

from gitsign_py.clients.signin import PROVIDERS
from gitsign_py.errors import ConfigError
from gitsign_py.host.config import (
    GROUPS,
    HIDDEN,
    Config,
    Source,
    load_config,
    resolve_settings,
    show,
    unknown_names,
)
from gitsign_py.host.git.config import GitConfig, GitValue, canonical
from gitsign_py.host.settings import SETTINGS, TOKEN_PROVIDERS, Setting
from tests.support.gitrepo import ScratchRepo, environment

BY_FIELD = {setting.field: setting for setting in SETTINGS}

# What ../shared/reference/gitsign-parity.md lists, and what this project adds: key, variables, the first wins.
NAMES = {
    "fulcio": ("GITSIGN_FULCIO_URL", "SIGSTORE_FULCIO_URL"),
    "fulcioRoot": ("GITSIGN_FULCIO_ROOT", "SIGSTORE_FULCIO_ROOT", "SIGSTORE_ROOT_FILE"),
    "rekor": ("GITSIGN_REKOR_URL", "SIGSTORE_REKOR_URL"),
    "rekorMode": ("GITSIGN_REKOR_MODE",),
    "rekorVersion": ("GITSIGN_REKOR_VERSION", "SIGSTORE_REKOR_VERSION"),
    "issuer": ("GITSIGN_OIDC_ISSUER", "SIGSTORE_OIDC_ISSUER"),
    "clientID": ("GITSIGN_OIDC_CLIENT_ID", "SIGSTORE_OIDC_CLIENT_ID"),
    "clientSecretFile": ("GITSIGN_OIDC_CLIENT_SECRET_FILE", "SIGSTORE_OIDC_CLIENT_SECRET_FILE"),
    "redirectURL": ("GITSIGN_OIDC_REDIRECT_URL", "SIGSTORE_OIDC_REDIRECT_URL"),
    "connectorID": ("GITSIGN_CONNECTOR_ID", "SIGSTORE_CONNECTOR_ID"),
    "tokenProvider": ("GITSIGN_TOKEN_PROVIDER", "SIGSTORE_TOKEN_PROVIDER"),
    "timestampServerURL": ("GITSIGN_TIMESTAMP_SERVER_URL", "SIGSTORE_TIMESTAMP_SERVER_URL"),
    "timestampCertChain": ("GITSIGN_TIMESTAMP_CERT_CHAIN", "SIGSTORE_TIMESTAMP_CERT_CHAIN"),
    "matchCommitter": (),
    "autoclose": ("GITSIGN_AUTOCLOSE", "SIGSTORE_AUTOCLOSE"),
    "autocloseTimeout": ("GITSIGN_AUTOCLOSE_TIMEOUT", "SIGSTORE_AUTOCLOSE_TIMEOUT"),
    "urlOpener": ("GITSIGN_URL_OPENER",),
    "logPath": ("GITSIGN_LOG",),
    "quiet": ("GITSIGN_QUIET",),
    "enableSigstoreGo": ("GITSIGN_ENABLE_SIGSTORE_GO",),
    "agent": (),
    "verifyHelper": ("GITSIGN_VERIFY_HELPER",),
    "allowedSigner": (),
    "policy": (),
    "policyMode": (),
    "protectedRef": (),
    "introduction": (),
    "hookTimeout": (),
    "instance": ("GITSIGN_INSTANCE",),
    "refresh": ("GITSIGN_REFRESH",),
    "pusher": (),
    "publish": (),
    "publishProject": (),
    "publishURL": (),
    "reportURL": (),
    "sourceURI": (),
    "sourceRef": (),
    "sourceAttester": (),
    "trustedRoot": ("GITSIGN_TRUSTED_ROOT",),
    "witnessPolicy": ("GITSIGN_WITNESS_POLICY",),
    "logReplica": ("GITSIGN_LOG_REPLICA",),
    "signingConfig": ("GITSIGN_SIGNING_CONFIG",),
    "requireTimestamp": (),
    "timeout": ("GITSIGN_TIMEOUT",),
    "signInTimeout": ("GITSIGN_SIGN_IN_TIMEOUT",),
}
ALONE = {
    "GITSIGN_ISOLATED",
    "GITSIGN_TRUST_BUNDLE",
    "GITSIGN_CREDENTIAL_CACHE",
    "GITSIGN_TOKEN_FILE",
    "SIGSTORE_ID_TOKEN",
    "SIGSTORE_REKOR_PUBLIC_KEY",
    "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",
    "TUF_ROOT",
    "TUF_MIRROR",
    "TUF_ROOT_JSON",
}
# A value for each field that is not the default: text and what it means.
OTHER = {
    "fulcio_url": ("http://127.0.0.1:5555", "http://127.0.0.1:5555"),
    "fulcio_root": ("~/ca.pem", Path("/home/alice/ca.pem")),
    "rekor_url": ("https://[::1]:3000/log", "https://[::1]:3000/log"),
    "rekor_mode": ("Online", "online"),
    "rekor_version": ("2", 2),
    "issuer": ("https://issuer.example/dex", "https://issuer.example/dex"),
    "client_id": ("mine", "mine"),
    "client_secret_file": ("/s", Path("/s")),
    "redirect_url": ("http://localhost:8080/auth/callback", "http://localhost:8080/auth/callback"),
    "connector_id": ("https://github.com/login/oauth", "https://github.com/login/oauth"),
    "token_provider": ("device", "device"),
    "timestamp_server_url": ("https://tsa.example/api/v1/timestamp", "https://tsa.example/api/v1/timestamp"),
    "timestamp_cert_chain": ("/t", Path("/t")),
    "match_committer": ("yes", "true"),
    "autoclose": ("no", False),
    "autoclose_timeout": ("30", 30),
    "url_opener": ("firefox {{.URL}}", "firefox {{.URL}}"),
    "log_path": ("/l", Path("/l")),
    "quiet": ("yes", True),
    "agent": ("false", "off"),
    "verify_helper": ("0", 0),
    "credential_cache": ("/c", Path("/c")),
    "allowed_signers": ("*@example.com https://issuer", ("*@example.com https://issuer",)),
    "policy": ("~/policy.toml", "/home/alice/policy.toml"),
    "policy_mode": ("History", "history"),
    "introduction": ("a" * 40, "a" * 40),
    "protected_ref": ("refs/remotes/origin/main", "refs/remotes/origin/main"),
    "hook_timeout": ("3600", 3600.0),
    "instance": ("staging", "staging"),
    "refresh": ("never", "never"),
    "pusher": ("REMOTE_USER", "REMOTE_USER"),
    "publish": ("gitea", "gitea"),
    "publish_project": ("o/n", "o/n"),
    "publish_url": ("https://forge.example/api/v1", "https://forge.example/api/v1"),
    "report_url": ("https://ci.example/1", "https://ci.example/1"),
    "source_uri": ("git+https://git.example/p", "git+https://git.example/p"),
    "source_refs": ("refs/heads/main", ("refs/heads/main",)),
    "source_attester": ("*@example.com https://issuer", "*@example.com https://issuer"),
    "trusted_root": ("/r", Path("/r")),
    "witness_policy": ("/w", Path("/w")),
    "log_replica": ("/r", Path("/r")),
    "signing_config": ("/sc", Path("/sc")),
    "require_timestamp": ("true", True),
    "timeout": ("2.5", 2.5),
    "sign_in_timeout": ("300", 300.0),
    "token_file": ("/tf", Path("/tf")),
    "id_token": ("a.b.c", "a.b.c"),
    "trust_bundle": ("root.json", "root.json"),
    "rekor_public_key": ("/k", Path("/k")),
    "ctlog_public_key": ("/ck", Path("/ck")),
    "tuf_root": ("/tuf", Path("/tuf")),
    "tuf_mirror": ("https://tuf.example", "https://tuf.example"),
    "tuf_root_json": ("/root.json", Path("/root.json")),
    "enable_sigstore_go": ("1", True),
    "isolated": ("1", True),
}
BAD = {
    "fulcio_url": ["fulcio.sigstore.dev", "ftp://x", "https://", "https://user:secret@x", "https://x?y", "https://x y"],
    "rekor_url": ["", "http://x#y", "http://x:999999"],
    "issuer": ["nothing"],
    "redirect_url": ["localhost"],
    "timestamp_server_url": ["tsa"],
    "tuf_mirror": ["tuf"],
    "client_id": ["", " "],
    "rekor_mode": ["sideways", ""],
    "rekor_version": ["3", "01", "v2", ""],
    "token_provider": ["carrier-pigeon"],
    "match_committer": ["perhaps"],
    "autoclose": ["perhaps"],
    "autoclose_timeout": ["-1", "601", "soon", "1.5"],
    "agent": ["sometimes"],
    "verify_helper": ["-1", "601", "never"],
    "require_timestamp": ["2x"],
    "enable_sigstore_go": ["2x"],
    "sign_in_timeout": ["0", "601"],
    "timeout": ["0", "-1", "601", "nan", "1e2", ""],
    "allowed_signers": ["alice@example.com", "a b c"],
    "fulcio_root": ["~no-such-user-here/x", "%(prefix)/x"],
    "policy": ["~no-such-user-here/x"],
    "policy_mode": ["loose"],
    "introduction": ["main", "A" * 40, "a" * 39],
    "protected_ref": [
        "main",
        "refs/heads/a b",
        "refs/heads/x~1",
        "refs/",
        "refs/heads/x@{1}",
        "refs/heads/x^{}",
        "HEAD",
    ],
    "hook_timeout": ["0", "-1", "3601", "soon"],
    "instance": ["sigstage", "https://fulcio.sigstage.dev"],
    "refresh": ["on", "daily"],
    "pusher": ["remote_user", "A B", "=X"],
    "publish": ["bitbucket"],
    "publish_url": ["forge.example", "https://user:secret@x"],
    "report_url": ["ci", "https://x?y"],
    "source_uri": ["project", "git+https://a b"],
    "source_refs": ["main", "refs/heads/[a]", "refs/notes/x"],
    "source_attester": ["alice@example.com", "a b c"],
    "isolated": ["2x"],
}


def git(**values: str | None) -> GitConfig:
    """Settings as git lists them, in ``gitsign.``."""
    return GitConfig(
        {canonical(f"gitsign.{name}"): (GitValue(text, "local", "file:.git/config"),) for name, text in values.items()}
    )


def value(config: Config, field: str) -> object:
    return config.value(field)


def test_the_table_has_every_name_of_the_peer_and_of_this_project() -> None:
    assert {setting.key: setting.variables for setting in SETTINGS if setting.key} == {
        f"gitsign.{name}": variables for name, variables in NAMES.items()
    }
    assert {variable for setting in SETTINGS if not setting.key for variable in setting.variables} == ALONE


def test_the_table_and_the_configuration_have_the_same_fields() -> None:
    groups = [field.name for field in fields(Config)][:-1]
    assert groups == list(GROUPS)
    in_groups = [field.name for group in GROUPS.values() for field in fields(group)]
    assert sorted(in_groups) == sorted(setting.field for setting in SETTINGS)


def test_the_token_providers_are_those_that_can_be_used() -> None:
    assert set(TOKEN_PROVIDERS) == set(PROVIDERS)


def test_with_nothing_set_every_value_is_its_default() -> None:
    config = load_config({}, GitConfig())
    for setting in SETTINGS:
        assert value(config, setting.field) == setting.default
        assert config.is_default(setting.field)
    assert (config.services.fulcio_url, config.services.rekor_url) == (
        "https://fulcio.sigstore.dev",
        "https://rekor.sigstore.dev",
    )
    assert (config.services.issuer, config.sign_in.client_id) == ("https://oauth2.sigstore.dev/auth", "sigstore")
    assert (config.services.rekor_mode, config.sign_in.match_committer, config.services.timeout) == (
        "offline",
        "ask",
        10.0,
    )


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting.key], ids=lambda setting: setting.field)
def test_gits_settings_are_read(setting: Setting) -> None:
    text, expected = OTHER[setting.field]
    config = load_config({"HOME": "/home/alice"}, git(**{setting.key.removeprefix("gitsign."): text}))
    assert value(config, setting.field) == expected
    assert config.source(setting.field) == Source("git", setting.key, "local, file:.git/config", of_repository=True)
    assert not config.is_default(setting.field)


@pytest.mark.parametrize(
    ("setting", "variable"),
    [(setting, variable) for setting in SETTINGS for variable in setting.variables],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_every_variable_is_read_and_wins_over_gits_settings(setting: Setting, variable: str) -> None:
    text, expected = OTHER[setting.field]
    in_git = GitConfig({canonical(setting.name): (GitValue("unusable\0", "local", "file:x"),)})
    config = load_config({"HOME": "/home/alice", variable: text}, in_git)
    assert value(config, setting.field) == expected
    assert config.source(setting.field) == Source("environment", variable)


@pytest.mark.parametrize("setting", [one for one in SETTINGS if len(one.variables) > 1], ids=lambda one: one.field)
def test_the_variable_named_first_wins(setting: Setting) -> None:
    text, expected = OTHER[setting.field]
    first, *others = setting.variables
    config = load_config({"HOME": "/home/alice", first: text, **dict.fromkeys(others, "unusable\0")}, GitConfig())
    assert value(config, setting.field) == expected


@pytest.mark.parametrize(("field", "text"), [(field, text) for field, texts in BAD.items() for text in texts])
def test_a_bad_value_names_key_value_and_source(field: str, text: str) -> None:
    setting = BY_FIELD[field]
    in_git = GitConfig({canonical(setting.name): (GitValue(text, "global", "file:/home/a/.gitconfig"),)})
    if setting.key and not (setting.many and not text):
        with pytest.raises(ConfigError) as caught:
            load_config({}, in_git)
        assert caught.value.reason == "config-value-invalid"
        assert caught.value.message.startswith(f"{setting.key} is ")
        assert "(git config, global, file:/home/a/.gitconfig), expected " in caught.value.message
        assert "secret" not in caught.value.message
    for variable in setting.variables if text else ():
        with pytest.raises(ConfigError, match=f"environment variable {variable}"):
            load_config({variable: text}, GitConfig())


def test_the_value_is_shown_without_a_password() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"GITSIGN_FULCIO_URL": "https://alice:hunter2@x/y@z"}, GitConfig())
    assert "'https://***@x/y@z'" in caught.value.message
    assert "hunter2" not in caught.value.message + caught.value.hint + str(dict(caught.value.facts))


def test_an_empty_variable_switches_off_what_may_be_empty_and_is_unset_otherwise() -> None:
    in_git = git(timestampServerURL="https://tsa.example", fulcio="https://ca.example", timestampCertChain="/x")
    empty = {"GITSIGN_TIMESTAMP_SERVER_URL": "", "GITSIGN_FULCIO_URL": "", "GITSIGN_TIMESTAMP_CERT_CHAIN": ""}
    config = load_config(empty, in_git)
    assert (config.services.timestamp_server_url, config.trust.timestamp_cert_chain) == ("", None)
    assert config.source("timestamp_server_url") == Source("environment", "GITSIGN_TIMESTAMP_SERVER_URL")
    assert config.services.fulcio_url == "https://ca.example"


def test_a_key_without_a_value_is_true_and_nothing_else() -> None:
    config = load_config({}, git(requireTimestamp=None, matchCommitter=None, agent=None))
    assert (config.trust.require_timestamp, config.sign_in.match_committer, config.program.agent) == (
        True,
        "true",
        "on",
    )
    for name in ("fulcio", "connectorID", "logPath", "allowedSigner"):
        with pytest.raises(ConfigError, match="expected a value"):
            load_config({}, git(**{name: None}))


def test_allowed_signers_add_up_until_an_empty_one() -> None:
    lines = ["a@x i", "", "b@x i", "c@x i"]
    values = tuple(GitValue(line, "global", f"file:{at}") for at, line in enumerate(lines))
    config = load_config({}, GitConfig({"gitsign.allowedsigner": values}))
    assert config.signers.allowed_signers == ("b@x i", "c@x i")
    assert config.source("allowed_signers") == Source("git", "gitsign.allowedSigner", "global, file:3")
    assert load_config({}, GitConfig({"gitsign.allowedsigner": values[:2]})).signers.allowed_signers == ()


def test_the_last_value_counts_where_one_can() -> None:
    values = (GitValue("unusable", "system", "file:a"), GitValue("online", "command", "command line:"))
    config = load_config({}, GitConfig({"gitsign.rekormode": values}))
    assert (config.services.rekor_mode, str(config.source("rekor_mode"))) == ("online", "git config, command line")


def test_words_beside_true_and_false_are_taken_in_any_case() -> None:
    config = load_config({}, git(matchCommitter="ASK", agent="Auto"))
    assert (config.sign_in.match_committer, config.program.agent) == ("ask", "auto")
    assert not config.is_default("agent")


def test_the_policy_may_be_a_file_of_a_revision() -> None:
    assert (
        load_config({}, git(policy="origin/main:.gitsign/policy.toml")).signers.policy
        == "origin/main:.gitsign/policy.toml"
    )


def test_the_identity_token_shows_nowhere() -> None:
    config = load_config({"SIGSTORE_ID_TOKEN": "tops.ecr.et"}, GitConfig())
    assert config.sign_in.id_token == "tops.ecr.et"
    assert "tops" not in repr(config)
    assert show(BY_FIELD["id_token"], config.sign_in.id_token) == HIDDEN
    assert show(BY_FIELD["id_token"], "") == ""


def test_errors_do_not_hide_the_other_settings() -> None:
    found = {one.setting.field: one for one in resolve_settings({"GITSIGN_TIMEOUT": "x"}, git(rekorMode="y"))}
    assert [name for name, one in found.items() if one.error] == ["rekor_mode", "timeout"]
    assert found["timeout"].value == 10.0


def test_mistyped_names_are_found() -> None:
    in_git = GitConfig({**git(recorMode="x", rekorMode="online").entries, "user.name": ()})
    variables = {"GITSIGN_REKORMODE": "x", "GITSIGN_REKOR_MODE": "online", "SIGSTORE_OTHER": "x"}
    assert unknown_names(variables, in_git) == (
        Source("git", "gitsign.recormode", "local, file:.git/config"),
        Source("environment", "GITSIGN_REKORMODE"),
    )


def test_values_are_written_for_people() -> None:
    shown = {one.setting.field: show(one.setting, one.value) for one in resolve_settings({}, git(allowedSigner="a b"))}
    assert (shown["timeout"], shown["autoclose"], shown["rekor_version"]) == ("10", "true", "1")
    assert (shown["allowed_signers"], shown["log_path"], shown["require_timestamp"]) == ("a b", "", "false")


def test_the_real_git_is_asked_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = ScratchRepo.init(tmp_path)
    repo.git("config", "gitsign.REKORMODE", "online")
    repo.git("config", "--add", "gitsign.allowedSigner", "a@x i")
    repo.git("config", "--add", "gitsign.allowedSigner", "*@y i")
    monkeypatch.chdir(tmp_path)
    config = load_config(environment())
    assert (config.services.rekor_mode, config.signers.allowed_signers) == ("online", ("a@x i", "*@y i"))
    assert str(config.source("rekor_mode")) == "git config, local, file:.git/config"

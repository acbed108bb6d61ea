"""Every setting: its name in git's settings and in the environment, its type, its default.

The names are gitsign's, so that a user moves over by changing the program's name. Where two variables stand, the first
wins; a variable wins over git's settings.
"""

from collections.abc import Callable
from pathlib import Path

from gitsign_py.core.frozen import frozen
from gitsign_py.core.git.refname import is_full_ref_name
from gitsign_py.core.pattern import pattern
from gitsign_py.host.git.config import ISOLATED, to_bool, to_int, to_path, to_seconds

Value = str | int | float | bool | Path | tuple[str, ...] | None

TOKEN_PROVIDERS = (
    "interactive",
    "device",
    "oob",
    "github-actions",
    "google-impersonation",
    "google-workload-identity",
    "buildkite-agent",
    "gitlab",
    "circleci",
    "spiffe",
    "filesystem",
)
PUBLISH = ("github", "gitlab", "gitea")
"""The forges that take statuses."""
_URL = pattern(r"https?://(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?\Z")
NO_LOG = "none"
"""The log of an instance without one."""
_LONGEST_TIMEOUT = 600.0
_LONGEST_HOOK = 3600.0
_VARIABLE = pattern(r"[A-Z][A-Z0-9_]{0,63}\Z")
_SOURCE_URI = pattern(r"[a-z][a-z0-9+.-]*://[!-?A-~]+\Z")  # without @: neither a password nor a revision
_COMMIT_ID = pattern(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


@frozen
class Setting:
    """One setting.

    ``field`` is its name in Config, ``key`` the one in git's settings (empty: none), ``variables`` those in the
    environment. ``parse`` takes the text and the home directory and raises ValueError with what it expected. With
    ``many`` every value in git's settings counts, not the last one alone; an empty one forgets those before it. With
    ``truth`` a key without ``=`` means true, as in git.
    """

    field: str
    key: str
    variables: tuple[str, ...]
    parse: Callable[[str, str], Value]
    default: Value
    about: str
    secret: bool = False
    many: bool = False
    truth: bool = False

    @property
    def name(self) -> str:
        """How people call it: the key in git's settings, or the variable."""
        return self.key or self.variables[0]

    @property
    def optional(self) -> bool:
        """Whether it may be empty, so that an empty variable switches off what git's settings say."""
        return self.default in (None, "")


def _text(text: str, _home: str) -> str:
    return text


def _required(text: str, _home: str) -> str:
    if not text.strip():
        raise ValueError("some text")
    return text


def _url(text: str, _home: str) -> str:
    if text and not _URL.match(text):
        raise ValueError("an http or https URL, without user name, query or fragment")
    return text


def _required_url(text: str, home: str) -> str:
    if not text:
        raise ValueError("an http or https URL")
    return _url(text, home)


def _log_url(text: str, home: str) -> str:
    """``none`` stands for an instance without a log."""
    return NO_LOG if text.lower() == NO_LOG else _required_url(text, home)


def _path(text: str, home: str) -> Path | None:
    return to_path(text, home) if text else None


def _bool(text: str, _home: str) -> bool:
    return to_bool(text)


def _one_of(*words: str) -> Callable[[str, str], str]:
    def parse(text: str, _home: str) -> str:
        if text.lower() not in words:
            raise ValueError("one of " + ", ".join(word for word in words if word))
        return text.lower()

    return parse


def _word_or_bool(word: str, yes: str, no: str) -> Callable[[str, str], str]:
    """A truth value with a third word."""

    def parse(text: str, _home: str) -> str:
        if text.lower() == word:
            return word
        try:
            return yes if to_bool(text) else no
        except ValueError:
            raise ValueError(f"one of {word}, {yes}, {no}") from None

    return parse


def _rekor_version(text: str, _home: str) -> int:
    if text not in ("1", "2"):
        raise ValueError("1 or 2")
    return int(text)


def _window_seconds(text: str, _home: str) -> int:
    seconds = to_int(text)
    if not 0 <= seconds <= _LONGEST_TIMEOUT:
        raise ValueError("whole seconds from 0 to 600")
    return seconds


def _timeout(text: str, _home: str) -> float:
    seconds = to_seconds(text)
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ValueError("seconds above 0, at most 600")
    return seconds


def _hook_timeout(text: str, _home: str) -> float:
    seconds = to_seconds(text)
    if not 0 < seconds <= _LONGEST_HOOK:
        raise ValueError("seconds above 0, at most 3600")
    return seconds


def _commit_id(text: str, _home: str) -> str:
    if text and not _COMMIT_ID.match(text):
        raise ValueError("a full commit id, 40 or 64 lower-case hex digits")
    return text


def _full_ref(text: str, _home: str) -> str:
    if text and not is_full_ref_name(text):
        raise ValueError("a full ref name, such as refs/heads/main or refs/remotes/origin/main")
    return text


def _policy(text: str, home: str) -> str:
    """A file, or ``REVISION:PATH``; only the file can start with a home directory."""
    return str(to_path(text, home)) if text.startswith("~") else text


def _pusher(text: str, _home: str) -> str:
    if text and text != "system" and not _VARIABLE.match(text):
        raise ValueError("system (the account that runs the hook) or the name of an environment variable")
    return text


def _signer(text: str, _home: str) -> str:
    if len(text.split()) != 2:
        raise ValueError("IDENTITY ISSUER, for instance 'alice@example.com https://accounts.example.com'")
    return text


def _source_attester(text: str, home: str) -> str:
    return _signer(text, home) if text else text


def _source_uri(text: str, _home: str) -> str:
    if text and not _SOURCE_URI.match(text):
        raise ValueError("the URI that consumers know the repository by, such as git+https://git.example.com/project")
    return text


def _source_ref(text: str, _home: str) -> str:
    """A glob as policies have them for refs; policy.patterns is not loaded for each commit."""
    parts = text.split("/")
    is_glob = all(part and not set("[]{}\\") & set(part) and ("**" not in part or part == "**") for part in parts)
    if not text.startswith(("refs/heads/", "refs/tags/")) or not text.isprintable() or not is_glob:
        raise ValueError(
            "a branch or tag by its full name, or a glob for some, such as refs/heads/main or refs/tags/v*"
        )
    return text


def _both(name: str) -> tuple[str, str]:
    return f"GITSIGN_{name}", f"SIGSTORE_{name}"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "fulcio_url",
        "gitsign.fulcio",
        _both("FULCIO_URL"),
        _required_url,
        "https://fulcio.sigstore.dev",
        "certificate authority",
    ),
    Setting(
        "fulcio_root",
        "gitsign.fulcioRoot",
        (*_both("FULCIO_ROOT"), "SIGSTORE_ROOT_FILE"),
        _path,
        None,
        "PEM file with the certificate authority's certificates",
    ),
    Setting(
        "rekor_url",
        "gitsign.rekor",
        _both("REKOR_URL"),
        _log_url,
        "https://rekor.sigstore.dev",
        "transparency log; none: the instance has no log, and a timestamp proves the time",
    ),
    Setting(
        "rekor_mode",
        "gitsign.rekorMode",
        ("GITSIGN_REKOR_MODE",),
        _one_of("offline", "online"),
        "offline",
        "offline: the log entry is in the signature; online: verifying asks the log",
    ),
    Setting("rekor_version", "gitsign.rekorVersion", _both("REKOR_VERSION"), _rekor_version, 1, "API of the log"),
    Setting(
        "issuer",
        "gitsign.issuer",
        _both("OIDC_ISSUER"),
        _required_url,
        "https://oauth2.sigstore.dev/auth",
        "OpenID issuer to sign in at",
    ),
    Setting("client_id", "gitsign.clientID", _both("OIDC_CLIENT_ID"), _required, "sigstore", "OAuth client id"),
    Setting(
        "client_secret_file",
        "gitsign.clientSecretFile",
        _both("OIDC_CLIENT_SECRET_FILE"),
        _path,
        None,
        "file with the OAuth client secret",
    ),
    Setting(
        "redirect_url",
        "gitsign.redirectURL",
        _both("OIDC_REDIRECT_URL"),
        _url,
        "",
        "where the browser returns to (default: a free port on this machine)",
    ),
    Setting("connector_id", "gitsign.connectorID", _both("CONNECTOR_ID"), _text, "", "Dex connector to preselect"),
    Setting(
        "token_provider",
        "gitsign.tokenProvider",
        _both("TOKEN_PROVIDER"),
        _one_of("", *TOKEN_PROVIDERS),
        "",
        "where the identity token comes from (default: what is there)",
    ),
    Setting(
        "timestamp_server_url",
        "gitsign.timestampServerURL",
        _both("TIMESTAMP_SERVER_URL"),
        _url,
        "",
        "time-stamping server to ask for a timestamp",
    ),
    Setting(
        "timestamp_cert_chain",
        "gitsign.timestampCertChain",
        _both("TIMESTAMP_CERT_CHAIN"),
        _path,
        None,
        "PEM file with the time-stamping server's certificates",
    ),
    Setting(
        "match_committer",
        "gitsign.matchCommitter",
        (),
        _word_or_bool("ask", "true", "false"),
        "ask",
        "what to do when the identity is not the committer's",
        truth=True,
    ),
    Setting(
        "autoclose",
        "gitsign.autoclose",
        _both("AUTOCLOSE"),
        _bool,
        True,
        "close the browser page after sign-in",
        truth=True,
    ),
    Setting(
        "autoclose_timeout",
        "gitsign.autocloseTimeout",
        _both("AUTOCLOSE_TIMEOUT"),
        _window_seconds,
        6,
        "seconds until the page closes",
    ),
    Setting(
        "url_opener",
        "gitsign.urlOpener",
        ("GITSIGN_URL_OPENER",),
        _text,
        "",
        "command that opens the sign-in page, {{.URL}} is its address",
    ),
    Setting("log_path", "gitsign.logPath", ("GITSIGN_LOG",), _path, None, "file that messages are written to as well"),
    Setting(
        "quiet",
        "gitsign.quiet",
        ("GITSIGN_QUIET",),
        _bool,
        False,
        "show no line for a commit that was signed",
        truth=True,
    ),
    Setting(
        "agent", "gitsign.agent", (), _word_or_bool("auto", "on", "off"), "auto", "use the signing agent", truth=True
    ),
    Setting(
        "verify_helper",
        "gitsign.verifyHelper",
        ("GITSIGN_VERIFY_HELPER",),
        _window_seconds,
        5,
        "seconds that a verifier waits for the next signature of git log where no agent runs (0: it ends at once)",
    ),
    Setting("credential_cache", "", ("GITSIGN_CREDENTIAL_CACHE",), _path, None, "socket of the signing agent"),
    Setting(
        "allowed_signers",
        "gitsign.allowedSigner",
        (),
        _signer,
        (),
        "IDENTITY ISSUER that git's verification trusts; may be given several times",
        many=True,
    ),
    Setting("policy", "gitsign.policy", (), _policy, "", "policy that git's verification follows (FILE or REV:PATH)"),
    Setting(
        "policy_mode",
        "gitsign.policyMode",
        (),
        _one_of("fixed", "history"),
        "fixed",
        "fixed: one policy judges a push; history: each commit follows the policy in its parents",
    ),
    Setting(
        "introduction",
        "gitsign.introduction",
        (),
        _commit_id,
        "",
        "full id of the commit where a policy in the history starts",
    ),
    Setting(
        "protected_ref",
        "gitsign.protectedRef",
        (),
        _full_ref,
        "",
        "branch whose policy says who has left, for a policy in the history (default: what the remote's HEAD names, "
        "or a server's)",
    ),
    Setting(
        "hook_timeout", "gitsign.hookTimeout", (), _hook_timeout, 60.0, "seconds that a hook may judge; then it refuses"
    ),
    Setting(
        "pusher",
        "gitsign.pusher",
        (),
        _pusher,
        "",
        "where a server's hook finds the name of who pushes: system, or a variable such as REMOTE_USER",
    ),
    Setting(
        "publish",
        "gitsign.publish",
        (),
        _one_of("", *PUBLISH),
        "",
        "forge on which the post-receive hook sets a status for what was pushed: github, gitlab or gitea",
    ),
    Setting("publish_project", "gitsign.publishProject", (), _text, "", "project there, as OWNER/NAME"),
    Setting("publish_url", "gitsign.publishURL", (), _url, "", "address of that forge's API"),
    Setting("report_url", "gitsign.reportURL", (), _url, "", "where such a status leads to"),
    Setting(
        "source_uri",
        "gitsign.sourceURI",
        (),
        _source_uri,
        "",
        "URI that consumers know a server's repository by, for source provenance",
    ),
    Setting(
        "source_refs",
        "gitsign.sourceRef",
        (),
        _source_ref,
        (),
        "branch or tag that a server keeps from going back or away, and states provenance of (a glob; several times)",
        many=True,
    ),
    Setting(
        "source_attester",
        "gitsign.sourceAttester",
        (),
        _source_attester,
        "",
        "IDENTITY ISSUER that signs a server's source provenance",
    ),
    Setting(
        "trusted_root",
        "gitsign.trustedRoot",
        ("GITSIGN_TRUSTED_ROOT",),
        _path,
        None,
        "trusted_root.json to verify with (default: by TUF)",
    ),
    Setting(
        "log_replica",
        "gitsign.logReplica",
        ("GITSIGN_LOG_REPLICA",),
        _path,
        None,
        "folder with replicas of logs (monitor --mirror), which are asked before the log is",
    ),
    Setting(
        "instance",
        "gitsign.instance",
        ("GITSIGN_INSTANCE",),
        _one_of("", "public-good", "staging"),
        "",
        "Sigstore's own instance to trust and to sign with, renewed by TUF (default: what initialize fetched, else "
        "public-good)",
    ),
    Setting(
        "refresh",
        "gitsign.refresh",
        ("GITSIGN_REFRESH",),
        _one_of("auto", "never"),
        "auto",
        "auto: renew the trust root by TUF when it is old or lacks an authority; never: only initialize does",
    ),
    Setting(
        "signing_config",
        "gitsign.signingConfig",
        ("GITSIGN_SIGNING_CONFIG",),
        _path,
        None,
        "signing_config.json that names the services",
    ),
    Setting(
        "require_timestamp",
        "gitsign.requireTimestamp",
        (),
        _bool,
        False,
        "refuse signatures without a signed timestamp",
        truth=True,
    ),
    Setting(
        "witness_policy",
        "gitsign.witnessPolicy",
        ("GITSIGN_WITNESS_POLICY",),
        _path,
        None,
        "tlog-policy file: the witnesses that must have cosigned a log's checkpoint, at signing and verifying",
    ),
    Setting("timeout", "gitsign.timeout", ("GITSIGN_TIMEOUT",), _timeout, 10.0, "seconds that a server has to answer"),
    Setting(
        "sign_in_timeout",
        "gitsign.signInTimeout",
        ("GITSIGN_SIGN_IN_TIMEOUT",),
        _timeout,
        120.0,
        "seconds that a person has to sign in",
    ),
    Setting("token_file", "", ("GITSIGN_TOKEN_FILE",), _path, None, "file with an identity token"),
    Setting("id_token", "", ("SIGSTORE_ID_TOKEN",), _text, "", "identity token", secret=True),
    Setting(
        "trust_bundle",
        "",
        ("GITSIGN_TRUST_BUNDLE",),
        _text,
        "",
        "trusted root of a private instance: JSON, its base64, or a file (often long, so not shown)",
        secret=True,
    ),
    Setting("rekor_public_key", "", ("SIGSTORE_REKOR_PUBLIC_KEY",), _path, None, "PEM file with the log's key"),
    Setting(
        "ctlog_public_key", "", ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",), _path, None, "PEM file with the CT log's key"
    ),
    Setting("tuf_root", "", ("TUF_ROOT",), _path, None, "directory of the TUF cache"),
    Setting("tuf_mirror", "", ("TUF_MIRROR",), _url, "", "TUF repository"),
    Setting("tuf_root_json", "", ("TUF_ROOT_JSON",), _path, None, "first root.json to trust of TUF_MIRROR"),
    Setting(
        "enable_sigstore_go",
        "gitsign.enableSigstoreGo",
        ("GITSIGN_ENABLE_SIGSTORE_GO",),
        _bool,
        False,
        "accepted for gitsign's sake, without effect",
        truth=True,
    ),
    Setting(
        "isolated",
        "",
        (ISOLATED,),
        _bool,
        False,
        "let nothing of a repository's own configuration count (as --isolated)",
    ),
)

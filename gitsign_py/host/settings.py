"""Every setting: its name in git's settings and in the environment, its type, its default.

The names are gitsign's, so that a user moves over by changing the program's name. Where two variables stand, the first
wins; a variable wins over git's settings.
"""

from collections.abc import Callable

from gitsign_py.core.frozen import frozen
from gitsign_py.host import settingvalues as read
from gitsign_py.host.git.config import ISOLATED
from gitsign_py.host.settingvalues import Value

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


def _both(name: str) -> tuple[str, str]:
    return f"GITSIGN_{name}", f"SIGSTORE_{name}"


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "fulcio_url",
        "gitsign.fulcio",
        _both("FULCIO_URL"),
        read.required_url,
        "https://fulcio.sigstore.dev",
        "certificate authority",
    ),
    Setting(
        "fulcio_root",
        "gitsign.fulcioRoot",
        (*_both("FULCIO_ROOT"), "SIGSTORE_ROOT_FILE"),
        read.path,
        None,
        "PEM file with the certificate authority's certificates",
    ),
    Setting(
        "rekor_url",
        "gitsign.rekor",
        _both("REKOR_URL"),
        read.log_url,
        "https://rekor.sigstore.dev",
        "transparency log; none: the instance has no log, and a timestamp proves the time",
    ),
    Setting(
        "rekor_mode",
        "gitsign.rekorMode",
        ("GITSIGN_REKOR_MODE",),
        read.one_of("offline", "online"),
        "offline",
        "offline: the log entry is in the signature; online: verifying asks the log",
    ),
    Setting("rekor_version", "gitsign.rekorVersion", _both("REKOR_VERSION"), read.rekor_version, 1, "API of the log"),
    Setting(
        "issuer",
        "gitsign.issuer",
        _both("OIDC_ISSUER"),
        read.required_url,
        "https://oauth2.sigstore.dev/auth",
        "OpenID issuer to sign in at",
    ),
    Setting(
        "client_id", "gitsign.clientID", _both("OIDC_CLIENT_ID"), read.required_text, "sigstore", "OAuth client id"
    ),
    Setting(
        "client_secret_file",
        "gitsign.clientSecretFile",
        _both("OIDC_CLIENT_SECRET_FILE"),
        read.path,
        None,
        "file with the OAuth client secret",
    ),
    Setting(
        "redirect_url",
        "gitsign.redirectURL",
        _both("OIDC_REDIRECT_URL"),
        read.url,
        "",
        "where the browser returns to (default: a free port on this machine)",
    ),
    Setting(
        "connector_id", "gitsign.connectorID", _both("CONNECTOR_ID"), read.any_text, "", "Dex connector to preselect"
    ),
    Setting(
        "token_provider",
        "gitsign.tokenProvider",
        _both("TOKEN_PROVIDER"),
        read.one_of("", *TOKEN_PROVIDERS),
        "",
        "where the identity token comes from (default: what is there)",
    ),
    Setting(
        "timestamp_server_url",
        "gitsign.timestampServerURL",
        _both("TIMESTAMP_SERVER_URL"),
        read.url,
        "",
        "time-stamping server to ask for a timestamp",
    ),
    Setting(
        "timestamp_cert_chain",
        "gitsign.timestampCertChain",
        _both("TIMESTAMP_CERT_CHAIN"),
        read.path,
        None,
        "PEM file with the time-stamping server's certificates",
    ),
    Setting(
        "match_committer",
        "gitsign.matchCommitter",
        (),
        read.word_or_truth("ask", "true", "false"),
        "ask",
        "what to do when the identity is not the committer's",
        truth=True,
    ),
    Setting(
        "autoclose",
        "gitsign.autoclose",
        _both("AUTOCLOSE"),
        read.truth,
        True,
        "close the browser page after sign-in",
        truth=True,
    ),
    Setting(
        "autoclose_timeout",
        "gitsign.autocloseTimeout",
        _both("AUTOCLOSE_TIMEOUT"),
        read.window_seconds,
        6,
        "seconds until the page closes",
    ),
    Setting(
        "url_opener",
        "gitsign.urlOpener",
        ("GITSIGN_URL_OPENER",),
        read.any_text,
        "",
        "command that opens the sign-in page, {{.URL}} is its address",
    ),
    Setting(
        "log_path", "gitsign.logPath", ("GITSIGN_LOG",), read.path, None, "file that messages are written to as well"
    ),
    Setting(
        "quiet",
        "gitsign.quiet",
        ("GITSIGN_QUIET",),
        read.truth,
        False,
        "show no line for a commit that was signed",
        truth=True,
    ),
    Setting(
        "agent",
        "gitsign.agent",
        (),
        read.word_or_truth("auto", "on", "off"),
        "auto",
        "use the signing agent",
        truth=True,
    ),
    Setting(
        "verify_helper",
        "gitsign.verifyHelper",
        ("GITSIGN_VERIFY_HELPER",),
        read.window_seconds,
        5,
        "seconds that a verifier waits for the next signature of git log where no agent runs (0: it ends at once)",
    ),
    Setting("credential_cache", "", ("GITSIGN_CREDENTIAL_CACHE",), read.path, None, "socket of the signing agent"),
    Setting(
        "allowed_signers",
        "gitsign.allowedSigner",
        (),
        read.signer,
        (),
        "IDENTITY ISSUER that git's verification trusts; may be given several times",
        many=True,
    ),
    Setting(
        "policy",
        "gitsign.policy",
        (),
        read.policy_place,
        "",
        "policy that git's verification follows (FILE or REV:PATH)",
    ),
    Setting(
        "policy_mode",
        "gitsign.policyMode",
        (),
        read.one_of("fixed", "history"),
        "fixed",
        "fixed: one policy judges a push; history: each commit follows the policy in its parents",
    ),
    Setting(
        "introduction",
        "gitsign.introduction",
        (),
        read.commit_id,
        "",
        "full id of the commit where a policy in the history starts",
    ),
    Setting(
        "protected_ref",
        "gitsign.protectedRef",
        (),
        read.full_ref,
        "",
        "branch whose policy says who has left, for a policy in the history (default: what the remote's HEAD names, "
        "or a server's)",
    ),
    Setting(
        "hook_timeout",
        "gitsign.hookTimeout",
        (),
        read.hook_seconds,
        60.0,
        "seconds that a hook may judge; then it refuses",
    ),
    Setting(
        "pusher",
        "gitsign.pusher",
        (),
        read.pusher_place,
        "",
        "where a server's hook finds the name of who pushes: system, or a variable such as REMOTE_USER",
    ),
    Setting(
        "publish",
        "gitsign.publish",
        (),
        read.one_of("", *PUBLISH),
        "",
        "forge on which the post-receive hook sets a status for what was pushed: github, gitlab or gitea",
    ),
    Setting("publish_project", "gitsign.publishProject", (), read.any_text, "", "project there, as OWNER/NAME"),
    Setting("publish_url", "gitsign.publishURL", (), read.url, "", "address of that forge's API"),
    Setting("report_url", "gitsign.reportURL", (), read.url, "", "where such a status leads to"),
    Setting(
        "source_uri",
        "gitsign.sourceURI",
        (),
        read.source_uri,
        "",
        "URI that consumers know a server's repository by, for source provenance",
    ),
    Setting(
        "source_refs",
        "gitsign.sourceRef",
        (),
        read.source_ref,
        (),
        "branch or tag that a server keeps from going back or away, and states provenance of (a glob; several times)",
        many=True,
    ),
    Setting(
        "source_attester",
        "gitsign.sourceAttester",
        (),
        read.source_attester,
        "",
        "IDENTITY ISSUER that signs a server's source provenance",
    ),
    Setting(
        "trusted_root",
        "gitsign.trustedRoot",
        ("GITSIGN_TRUSTED_ROOT",),
        read.path,
        None,
        "trusted_root.json to verify with (default: by TUF)",
    ),
    Setting(
        "log_replica",
        "gitsign.logReplica",
        ("GITSIGN_LOG_REPLICA",),
        read.path,
        None,
        "folder with replicas of logs (monitor --mirror), which are asked before the log is",
    ),
    Setting(
        "instance",
        "gitsign.instance",
        ("GITSIGN_INSTANCE",),
        read.one_of("", "public-good", "staging"),
        "",
        "Sigstore's own instance to trust and to sign with, renewed by TUF (default: what initialize fetched, else "
        "public-good)",
    ),
    Setting(
        "refresh",
        "gitsign.refresh",
        ("GITSIGN_REFRESH",),
        read.one_of("auto", "never"),
        "auto",
        "auto: renew the trust root by TUF when it is old or lacks an authority; never: only initialize does",
    ),
    Setting(
        "signing_config",
        "gitsign.signingConfig",
        ("GITSIGN_SIGNING_CONFIG",),
        read.path,
        None,
        "signing_config.json that names the services",
    ),
    Setting(
        "require_timestamp",
        "gitsign.requireTimestamp",
        (),
        read.truth,
        False,
        "refuse signatures without a signed timestamp",
        truth=True,
    ),
    Setting(
        "witness_policy",
        "gitsign.witnessPolicy",
        ("GITSIGN_WITNESS_POLICY",),
        read.path,
        None,
        "tlog-policy file: the witnesses that must have cosigned a log's checkpoint, at signing and verifying",
    ),
    Setting(
        "timeout",
        "gitsign.timeout",
        ("GITSIGN_TIMEOUT",),
        read.server_seconds,
        10.0,
        "seconds that a server has to answer",
    ),
    Setting(
        "sign_in_timeout",
        "gitsign.signInTimeout",
        ("GITSIGN_SIGN_IN_TIMEOUT",),
        read.server_seconds,
        120.0,
        "seconds that a person has to sign in",
    ),
    Setting("token_file", "", ("GITSIGN_TOKEN_FILE",), read.path, None, "file with an identity token"),
    Setting("id_token", "", ("SIGSTORE_ID_TOKEN",), read.any_text, "", "identity token", secret=True),
    Setting(
        "trust_bundle",
        "",
        ("GITSIGN_TRUST_BUNDLE",),
        read.any_text,
        "",
        "trusted root of a private instance: JSON, its base64, or a file (often long, so not shown)",
        secret=True,
    ),
    Setting("rekor_public_key", "", ("SIGSTORE_REKOR_PUBLIC_KEY",), read.path, None, "PEM file with the log's key"),
    Setting(
        "ctlog_public_key", "", ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE",), read.path, None, "PEM file with the CT log's key"
    ),
    Setting("tuf_root", "", ("TUF_ROOT",), read.path, None, "directory of the TUF cache"),
    Setting("tuf_mirror", "", ("TUF_MIRROR",), read.url, "", "TUF repository"),
    Setting("tuf_root_json", "", ("TUF_ROOT_JSON",), read.path, None, "first root.json to trust of TUF_MIRROR"),
    Setting(
        "enable_sigstore_go",
        "gitsign.enableSigstoreGo",
        ("GITSIGN_ENABLE_SIGSTORE_GO",),
        read.truth,
        False,
        "accepted for gitsign's sake, without effect",
        truth=True,
    ),
    Setting(
        "isolated",
        "",
        (ISOLATED,),
        read.truth,
        False,
        "let nothing of a repository's own configuration count (as --isolated)",
    ),
)

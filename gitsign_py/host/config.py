"""The configuration: every setting's value and where it comes from, put together from git and the environment.

A variable wins over git's settings, those over the default. A value that cannot be used is an error that names the
setting, the value and the source; nothing is corrected in silence.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from gitsign_py.core.frozen import field, frozen, replace
from gitsign_py.core.printing import without_password
from gitsign_py.errors import ConfigError, veiled
from gitsign_py.host.git.config import GitConfig, GitValue, read_git_config
from gitsign_py.host.settings import SETTINGS, Setting
from gitsign_py.host.settingvalues import Value

HIDDEN = "(set, not shown)"
_MAX_SHOWN = 200


@frozen
class Source:
    """Where a value comes from. ``name`` is the key or the variable; ``place`` scope and file, for git's settings.

    ``of_repository`` says that the repository's own configuration has a part in it.
    """

    kind: Literal["default", "git", "environment"]
    name: str = ""
    place: str = ""
    of_repository: bool = False

    def __str__(self) -> str:
        if self.kind == "environment":
            return f"environment variable {self.name}"
        return f"git config, {self.place}" if self.kind == "git" else "default"


DEFAULT = Source("default")


@frozen
class Services:
    """The services that a signature asks, and how long each has to answer."""

    fulcio_url: str
    rekor_url: str
    rekor_mode: Literal["offline", "online"]
    rekor_version: Literal[1, 2]
    issuer: str
    timestamp_server_url: str
    signing_config: Path | None
    timeout: float


@frozen
class SignIn:
    """How a person or a job proves an identity. The identity token does not show in the representation."""

    client_id: str
    client_secret_file: Path | None
    redirect_url: str
    connector_id: str
    token_provider: str
    match_committer: Literal["ask", "true", "false"]
    autoclose: bool
    autoclose_timeout: int
    url_opener: str
    sign_in_timeout: float
    token_file: Path | None
    id_token: str = field(repr=False)


@frozen
class Trust:
    """The keys that a verification believes, and what it demands beside a good signature."""

    trusted_root: Path | None
    trust_bundle: str = field(repr=False)
    instance: str
    refresh: Literal["auto", "never"]
    fulcio_root: Path | None
    timestamp_cert_chain: Path | None
    rekor_public_key: Path | None
    ctlog_public_key: Path | None
    tuf_root: Path | None
    tuf_mirror: str
    tuf_root_json: Path | None
    require_timestamp: bool
    witness_policy: Path | None
    log_replica: Path | None


@frozen
class Signers:
    """The people who may sign: a list of signers, or a policy and where it counts from."""

    allowed_signers: tuple[str, ...]
    policy: str
    policy_mode: Literal["fixed", "history"]
    introduction: str
    protected_ref: str

    @property
    def in_history(self) -> bool:
        """Whether the policy is the one in the history that it judges."""
        return self.policy_mode == "history"

    @property
    def has_policy(self) -> bool:
        """Whether a policy says who may sign."""
        return bool(self.policy) or self.in_history


@frozen
class Server:
    """What the hooks go by: their time, who pushes, what is stated and published about a push."""

    hook_timeout: float
    pusher: str
    publish: Literal["", "github", "gitlab", "gitea"]
    publish_project: str
    publish_url: str
    report_url: str
    source_uri: str
    source_refs: tuple[str, ...]
    source_attester: str


@frozen
class Program:
    """How the program itself works on this machine."""

    agent: Literal["auto", "on", "off"]
    verify_helper: int
    credential_cache: Path | None
    quiet: bool
    log_path: Path | None
    enable_sigstore_go: bool
    isolated: bool


GROUPS: Mapping[str, type[Any]] = {
    "services": Services,
    "sign_in": SignIn,
    "trust": Trust,
    "signers": Signers,
    "server": Server,
    "program": Program,
}
_GROUP_OF = {name: group for group, kind in GROUPS.items() for name in kind.__match_args__}


@frozen
class Config:
    """All settings, in the groups that their readers use; gitsign_py/host/settings.py says what each one means.

    Paths are None and texts empty when not set. ``sources`` has an entry for every setting, by its field's name.
    """

    services: Services
    sign_in: SignIn
    trust: Trust
    signers: Signers
    server: Server
    program: Program
    sources: Mapping[str, Source] = field(repr=False, compare=False)

    def value(self, name: str) -> Value:
        """The value of the field ``name``, in whatever group it is."""
        found: Value = getattr(getattr(self, _GROUP_OF[name]), name)
        return found

    def source(self, name: str) -> Source:
        """Where the field ``name`` comes from."""
        return self.sources[name]

    def is_default(self, name: str) -> bool:
        """Whether nobody set the field ``name``."""
        return self.sources[name].kind == "default"

    def with_values(self, values: Mapping[str, Value]) -> "Config":
        """A copy with other values of some fields, each from where it was."""
        changed: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            changed.setdefault(_GROUP_OF[name], {})[name] = value
        return replace(self, **{group: replace(getattr(self, group), **some) for group, some in changed.items()})


@frozen
class Resolved:
    """One setting with its value and source; with an ``error`` the value is the default."""

    setting: Setting
    value: Value
    source: Source
    error: ConfigError | None = None


def load_config(environment: Mapping[str, str], gitconfig: GitConfig | None = None) -> Config:
    """Put the configuration together; without ``gitconfig`` git is asked for its settings.

    Raises ConfigError ``config-value-invalid`` for the first value that cannot be used, and what
    :func:`read_git_config` raises.
    """
    settings = read_git_config(environment) if gitconfig is None else gitconfig
    found = resolve_settings(environment, settings)
    for one in found:
        if one.error is not None:
            raise one.error
    values = {one.setting.field: one.value for one in found}  # a test holds the table against the fields
    groups = {group: kind(**{name: values[name] for name in kind.__match_args__}) for group, kind in GROUPS.items()}
    return Config(**groups, sources=MappingProxyType({one.setting.field: one.source for one in found}))


def resolve_settings(environment: Mapping[str, str], gitconfig: GitConfig) -> tuple[Resolved, ...]:
    """Find value and source of every setting, in the table's order, errors included."""
    return tuple(_resolve(setting, environment, gitconfig) for setting in SETTINGS)


def unknown_names(environment: Mapping[str, str], gitconfig: GitConfig) -> tuple[Source, ...]:
    """Find names that look like settings and are none: a mistyped one would be passed over in silence."""
    keys = {setting.key.lower() for setting in SETTINGS}
    variables = {variable for setting in SETTINGS for variable in setting.variables}
    found = [
        Source("git", key, _place(values[-1]))
        for key, values in gitconfig.entries.items()
        if key.startswith("gitsign.") and key not in keys
    ]
    named = sorted(name for name in environment if name.startswith("GITSIGN_") and name not in variables)
    return (*found, *(Source("environment", name) for name in named))


def show(setting: Setting, value: Value) -> str:
    """Write a value for people; a secret is never shown."""
    if setting.secret:
        return HIDDEN if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return veiled("; ".join(value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else veiled(str(value))


def _resolve(setting: Setting, environment: Mapping[str, str], gitconfig: GitConfig) -> Resolved:
    for variable in setting.variables:
        text = environment.get(variable)
        if text or (text is not None and setting.optional):
            return _read(setting, [(text, Source("environment", variable))], environment)
    values = gitconfig.all(setting.key) if setting.key else ()
    if setting.many:
        found = _read(setting, [_from_git(setting, value) for value in _since_last_empty(values)], environment)
        return _emptied(found, values)
    return _read(setting, [_from_git(setting, value) for value in values[-1:]], environment)


def _since_last_empty(values: tuple[GitValue, ...]) -> tuple[GitValue, ...]:
    """Git's way to forget what other files list (as for credential.helper): an empty value."""
    start = max((at + 1 for at, value in enumerate(values) if value.text == ""), default=0)
    return values[start:]


def _emptied(found: Resolved, values: tuple[GitValue, ...]) -> Resolved:
    """With the repository's own configuration for source, where it made git forget what the person's own lists."""
    empty = [value for value in values if value.text == ""]
    if found.error is not None or found.source.of_repository or not empty or not empty[-1].of_repository:
        return found
    return replace(found, source=_from_git(found.setting, empty[-1])[1])


def _from_git(setting: Setting, value: GitValue) -> tuple[str | None, Source]:
    text = "true" if value.text is None and setting.truth else value.text
    return text, Source("git", setting.key, _place(value), value.of_repository)


def _place(value: GitValue) -> str:
    return f"{value.scope}, {value.origin}" if value.scope != "command" else value.origin.rstrip(":")


def _read(setting: Setting, given: Sequence[tuple[str | None, Source]], environment: Mapping[str, str]) -> Resolved:
    parsed: list[Value] = []
    for text, source in given:
        try:
            parsed.append(_parse(setting, text, environment))
        except ValueError as error:
            return Resolved(setting, setting.default, source, _invalid(setting, text or "", source, str(error)))
    if not given:
        return Resolved(setting, setting.default, DEFAULT)
    if setting.many:
        theirs = [source for _, source in given if source.of_repository]
        return Resolved(setting, tuple(str(value) for value in parsed), (theirs or [given[-1][1]])[-1])
    return Resolved(setting, parsed[0], given[0][1])


def _parse(setting: Setting, text: str | None, environment: Mapping[str, str]) -> Value:
    if text is None:  # a key without "="
        raise ValueError("a value")
    return setting.parse(text, environment.get("HOME", ""))


def _invalid(setting: Setting, text: str, source: Source, expected: str) -> ConfigError:
    shown = HIDDEN if setting.secret else without_password(text[:_MAX_SHOWN], "***@")
    where = "git config --show-origin --get-all " + source.name if source.kind == "git" else f"echo ${source.name}"
    return ConfigError(
        "config-value-invalid",
        f"{setting.name} is {shown!r} ({source}), expected {expected}",
        hint=f"correct it; see it with: {where}",
        facts={"key": setting.name, "value": shown, "source": str(source)},
    )

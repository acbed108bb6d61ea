"""The Sigstore to sign with: the settings that belong together, so that no two instances are ever mixed."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from gitsign_py.clients.trustroot import INSTANCES, read_bounded
from gitsign_py.core.frozen import frozen
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.core.trust.signingconfig import ConfiguredService, SigningConfig, parse_signing_config, select_services
from gitsign_py.errors import ConfigError, UsageError
from gitsign_py.host.paths import tuf_directory, tuf_place
from gitsign_py.host.settingvalues import NO_LOG
from gitsign_py.host.tufplace import was_kept

KEYS = (
    "gitsign.instance",
    "gitsign.fulcio",
    "gitsign.rekor",
    "gitsign.rekorVersion",
    "gitsign.issuer",
    "gitsign.timestampServerURL",
    "gitsign.trustedRoot",
    "gitsign.signingConfig",
    "gitsign.fulcioRoot",
    "gitsign.timestampCertChain",
)
"""All of them are set or taken away together: a trust root of one instance with a log of another verifies nothing."""
_FILES = ("trusted_root.json", "signing_config.json")


@frozen
class Instance:
    """An instance: ``values`` has a text for each of ``KEYS`` (empty: not set).

    ``follows`` says that its services come with the trust root that is kept, and change with it.
    """

    values: Mapping[str, str]
    follows: bool = False


def find_instance(name: str, environment: Mapping[str, str], now: datetime) -> Instance:
    """Find an instance by name (public-good, staging), TUF mirror URL, or directory.

    A directory has trusted_root.json and signing_config.json, as a local stack's has. A mirror must have been
    initialized: keys are believed from verified metadata, never from a URL alone.
    Raises UsageError ``instance-unknown``, ConfigError ``instance-not-initialized``, ``instance-incomplete``.
    """
    if name in INSTANCES and (name != INSTANCES[0] or was_kept(tuf_place(environment))):
        return Instance(_values({"gitsign.instance": name}))  # in the place of a TUF copy, which counts without it
    if name == INSTANCES[0]:
        return Instance(_values({}))
    if name.startswith(("http://", "https://")):
        return _mirror(name, environment, now)
    directory = Path(os.path.expanduser(name))  # noqa: PTH111 - never raises, as the next
    if not os.path.isdir(directory):  # noqa: PTH112
        raise UsageError(
            "instance-unknown",
            f"{name[:200]} is no instance: not public-good or staging, no URL, no directory",
            hint="for a private Sigstore on this machine: gitsign-py stack up --detach",
        )
    return _directory(directory.absolute(), now)


def _values(given: Mapping[str, str]) -> dict[str, str]:
    return {key: given.get(key, "") for key in KEYS}


def _mirror(url: str, environment: Mapping[str, str], now: datetime) -> Instance:
    from gitsign_py.clients import tuf  # noqa: PLC0415 - 170 ms, and only those with a mirror of their own need it

    directory = tuf_directory(environment)
    targets = tuf.load_cached(directory) if tuf.is_initialized(directory) else None
    if targets is None or targets.mirror.rstrip("/") != url.rstrip("/"):
        raise ConfigError(
            "instance-not-initialized",
            f"the trust root of {url[:200]} is not known on this machine",
            hint=f"gitsign-py initialize --mirror {url[:200]} --root root.json",
        )
    if targets.signing_config is None:
        raise ConfigError(
            "instance-incomplete",
            f"{url[:200]} gives out no signing configuration, so its services are not known",
            hint="set gitsign.fulcio, gitsign.rekor and gitsign.issuer yourself",
        )
    return Instance(_services(parse_signing_config(targets.signing_config), now), follows=True)


def _directory(directory: Path, now: datetime) -> Instance:
    trusted_root, signing_config = (_file(directory, name) for name in _FILES)
    parse_trusted_root(read_bounded(str(trusted_root), "--instance"))
    services = parse_signing_config(read_bounded(str(signing_config), "--instance"))
    return Instance(_services(services, now) | {"gitsign.trustedRoot": str(trusted_root)})


def _file(directory: Path, name: str) -> Path:
    """The file's path as stack.json has it, else beside it."""
    try:
        listed = json.loads((directory / "stack.json").read_bytes())["files"][name]
    except (OSError, ValueError, KeyError, TypeError):
        listed = ""
    path = Path(listed) if isinstance(listed, str) and listed else directory / name
    if not os.path.isfile(path):  # noqa: PTH113 - never raises
        raise ConfigError(
            "instance-incomplete",
            f"the directory {directory} has no {name}",
            hint="it is written by gitsign-py stack up, or comes from the operator of the instance",
        )
    return path


def _services(config: SigningConfig, now: datetime) -> dict[str, str]:
    """Write the services as settings. Rekor v1 is preferred: every client can verify what it logs.

    An instance without a log (``rekorTlogUrls`` is empty) proves the time by timestamps.
    """
    rekor = _rekor(config, now) if config.rekor_urls else None
    authorities = select_services(config.ca_urls, versions={1}, at=now)
    issuers = select_services(config.oidc_urls, versions={1}, at=now)
    timestamps = select_services(config.tsa_urls, versions={1}, at=now) if config.tsa_urls else ()
    needed = timestamps if rekor is None or rekor.major_api_version == 2 else ()
    return _values(
        {
            "gitsign.fulcio": authorities[0].url,
            "gitsign.issuer": issuers[0].url,
            "gitsign.rekor": NO_LOG if rekor is None else rekor.url,
            "gitsign.rekorVersion": "" if rekor is None else str(rekor.major_api_version),
            "gitsign.timestampServerURL": needed[0].url if needed else "",
        }
    )


def _rekor(config: SigningConfig, now: datetime) -> ConfiguredService:
    try:
        return select_services(config.rekor_urls, versions={1}, at=now)[0]
    except ConfigError:
        return select_services(config.rekor_urls, versions={2}, at=now)[0]

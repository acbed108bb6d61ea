"""The trust root that counts: a file, a variable, PEM parts, the TUF cache, or the embedded public-good one.

Nothing here ever asks a server which keys to believe (CVE-2023-47122's kind): keys come from what the user gave, from
metadata that TUF verified, or from this package. python-tuf is imported only where a TUF cache is used: it costs
170 ms, and git starts this program for each commit.
"""

import binascii
import json
import os
import stat
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import gitsign_py.data
from gitsign_py.core.digests import sha256
from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.core.frozen import frozen, replace
from gitsign_py.core.trust.root import MAX_BYTES, TrustedRoot, parse_trusted_root
from gitsign_py.errors import ConfigError, FormatError, UncheckedError
from gitsign_py.host.config import Config, Trust
from gitsign_py.host.paths import tuf_directory, tuf_place, user_place
from gitsign_py.host.plainfile import read_plain
from gitsign_py.host.privatefile import is_open_to_others
from gitsign_py.host.tufplace import was_kept

if TYPE_CHECKING:
    from gitsign_py.core.trust.signingconfig import SigningConfig
    from gitsign_py.host.network import Network

_DATA = Path(gitsign_py.data.__file__).parent
INSTANCES = ("public-good", "staging")
_PUBLIC_GOOD_MIRROR = "https://tuf-repo-cdn.sigstore.dev"
MIRRORS = {INSTANCES[0]: _PUBLIC_GOOD_MIRROR, INSTANCES[1]: "https://tuf-repo-cdn.sigstage.dev"}
KEPT_TARGETS = ("trusted_root.json", "signing_config.v0.2.json", "signing_config_rekor_v2.v0.2.json")
CURRENT = "current.json"
_MAX_NOTE = 65536
_CLIENT_CONFIG = b"clienttrustconfig"


@frozen
class LoadedTrust:
    """A trust root and where it is from, in words; ``signing_config`` when it came in the same file.

    ``expires`` is the end of its TUF metadata, where it comes from a repository.
    """

    root: TrustedRoot
    source: str
    signing_config: "SigningConfig | None" = None
    signing_config_json: bytes = b""
    version: str = ""
    """That of the metadata which brought it; a file has none."""
    rekor_v2_json: bytes = b""
    expires: datetime | None = None

    @property
    def is_public_good(self) -> bool:
        """Whether it is Sigstore's public good instance, whose services are the defaults of the settings."""
        return self.source in (f"embedded {INSTANCES[0]}", f"TUF {_PUBLIC_GOOD_MIRROR}")

    def services(self, *, rekor_v2: bool = False) -> "SigningConfig | None":
        """The signing config that belongs to this trust root, read when it is asked for.

        ``rekor_v2`` asks for the one with logs of version 2, where the repository has one of its own.
        """
        from gitsign_py.core.trust.signingconfig import parse_signing_config  # noqa: PLC0415 - no verification needs it

        data = (self.rekor_v2_json if rekor_v2 else b"") or self.signing_config_json
        return parse_signing_config(data) if data else self.signing_config


def load_trusted_root(
    config: Config,
    environment: Mapping[str, str],
    *,
    option_file: str | None = None,
    offline: bool = False,
    instance: str = "public-good",
    network: "Callable[[], Network] | None" = None,
) -> LoadedTrust:
    """Find the trust root that counts. First of: ``option_file``, trustedRoot, trustBundle, TUF cache, embedded.

    PEM settings replace their part of what the configuration gave, and only that part; an ``option_file`` stands
    alone. ``offline`` forbids to refresh an expired TUF cache. ``instance`` picks the embedded data (public-good or
    staging); another one than public-good passes over everything but ``option_file``. ``network`` makes what a refresh
    needs.
    Raises ConfigError ``trust-root-file``, FormatError for what is malformed, UncheckedError ``trust-root-...``.
    """
    if option_file is not None:
        return _from_file(option_file, "--trusted-root")
    if instance != "public-good":
        return embedded(instance)
    explicit = config.trust.trusted_root is not None or bool(environment.get("GITSIGN_TRUST_BUNDLE"))
    return _with_parts(_whole(config, environment, offline=offline, network=network), config, explicit=explicit)


def is_private(trust: Trust, environment: Mapping[str, str]) -> bool:
    """Tell without reading it whether another trust root than the embedded one was given."""
    given = trust.trusted_root is not None or bool(environment.get("GITSIGN_TRUST_BUNDLE"))
    return given or trust.instance == INSTANCES[1] or (trust.instance == "" and _initialized(environment))


def _whole(
    config: Config, environment: Mapping[str, str], *, offline: bool, network: "Callable[[], Network] | None"
) -> LoadedTrust:
    trust = config.trust
    if trust.trusted_root is not None:
        return _from_file(str(trust.trusted_root), _name(config, "trusted_root"))
    if bundle := environment.get("GITSIGN_TRUST_BUNDLE"):
        return _from_bundle(bundle)
    if trust.instance == "" and _initialized(environment):
        return _from_tuf(_tuf_copy(environment), offline=offline or trust.refresh == "never", network=network)
    instance = trust.instance or INSTANCES[0]
    return _renewed(instance) or embedded(instance)


def instance_copy(instance: str) -> Path:
    """Where the renewed trust root of an instance of this package is kept; initialize has a directory of its own."""
    return user_place("data") / "instances" / instance / "tuf"


def _renewed(instance: str) -> LoadedTrust | None:
    """The trust root that was fetched for an instance of this package, as ``clients.renewal`` noted it.

    None where there is none, or it is not whole: the embedded one is a start. It is not verified again, which costs
    170 ms; whoever can write there can write git's settings too.
    """
    place = instance_copy(instance)
    try:
        if is_open_to_others(place.stat(), stat.S_IWGRP | stat.S_IWOTH):
            return None
        noted = json.loads(read_plain(place / CURRENT, _MAX_NOTE))
        files = {name: _noted_file(place, name, noted["files"].get(name)) for name in KEPT_TARGETS}
        root, expires = parse_trusted_root(files[KEPT_TARGETS[0]]), parse_rfc3339(noted["expires"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, FormatError):
        return None
    _, services, for_v2 = files.values()
    return LoadedTrust(
        root,
        f"TUF {MIRRORS[instance]}",
        signing_config_json=services,
        version=str(noted.get("version", ""))[:100],
        rekor_v2_json=for_v2,
        expires=expires,
    )


def _noted_file(place: Path, name: str, digest: object) -> bytes:
    """A target's bytes, if they are those that were verified; empty without a digest. Raises ValueError, OSError."""
    if digest is None:
        return b""
    data = read_plain(place / "targets" / name, MAX_BYTES)
    if sha256(data).hexdigest() != digest:
        raise ValueError(name)
    return data


def embedded(instance: str = "public-good") -> LoadedTrust:
    """Return the trust root and signing config that came with this package; PROVENANCE.md says where from."""
    directory = _DATA / instance
    return LoadedTrust(
        parse_trusted_root((directory / "trusted_root.json").read_bytes()),
        f"embedded {instance}",
        signing_config_json=(directory / "signing_config.v0.2.json").read_bytes(),
    )


def embedded_tuf_root(instance: str = "public-good") -> bytes:
    """Return the TUF root.json that came with this package."""
    return (_DATA / instance / "root.json").read_bytes()


def _from_file(path: str, source: str) -> LoadedTrust:
    """A file that is not there is no trust root: what it was named for cannot be checked (exit status 3)."""
    if not os.path.isfile(os.path.expanduser(path)):  # noqa: PTH111, PTH113 - neither raises, whatever the value is
        raise UncheckedError(
            "trust-root-missing",
            f"{source} names {path[:200]}, which {_why_no_file(path)}",
            hint="name a trusted_root.json that is there, or fetch one with gitsign-py initialize",
        )
    return _parse(read_bounded(path, source, plain=True), f"{source} {path}")


def _why_no_file(path: str) -> str:
    """A file that this user may not look at is not said to be missing."""
    try:
        os.stat(os.path.expanduser(path))  # noqa: PTH111, PTH116 - as above
    except PermissionError:
        return "this user may not read: permission denied"
    except (OSError, ValueError):
        pass
    return "is no file"


def _from_bundle(value: str) -> LoadedTrust:
    """GITSIGN_TRUST_BUNDLE: JSON itself, its base64, or the path of a file that holds it."""
    source, text = "GITSIGN_TRUST_BUNDLE", value.strip()
    if text.startswith("{"):
        return _parse(text.encode(), source)
    try:
        data = b64decode("".join(text.split()), validate=True)  # base64(1) wraps its lines
    except (binascii.Error, ValueError):
        data = b""
    if data.lstrip().startswith(b"{"):
        return _parse(data, source)
    return _from_file(value, source)


def _parse(data: bytes, source: str) -> LoadedTrust:
    """A TrustedRoot, or a ClientTrustConfig with a SigningConfig beside it (the form of sigstore-python)."""
    try:
        if _CLIENT_CONFIG in data[:MAX_BYTES]:
            from gitsign_py.core.trust.clientconfig import parse_client_trust_config  # noqa: PLC0415 - who has such a file

            root, signing_config = parse_client_trust_config(data)
            return LoadedTrust(root, source, signing_config)
        return LoadedTrust(parse_trusted_root(data), source)
    except FormatError as error:
        raise FormatError(error.reason, f"{source}: {error.message}", hint=error.hint, facts=error.facts) from error


def _from_tuf(directory: Path, *, offline: bool, network: "Callable[[], Network] | None") -> LoadedTrust:
    from gitsign_py.clients import tuf  # noqa: PLC0415 - 170 ms, and only those who ran initialize need it

    try:
        targets = tuf.load_cached(directory)
    except UncheckedError as error:
        if offline or error.reason != "trust-root-expired":
            if (age := age_of(directory)) is not None:
                error.hint = "; ".join(filter(None, (f"the copy was fetched {in_words(age)}", error.hint)))
            raise
        check = lambda fetched: parse_trusted_root(fetched.trusted_root)  # noqa: E731
        targets = tuf.refresh(directory, check=check, network=network() if network is not None else None)
    return LoadedTrust(
        parse_trusted_root(targets.trusted_root),
        f"TUF {targets.mirror}",
        signing_config_json=targets.signing_config or b"",
        version=f"TUF root {targets.root_version}, timestamp {targets.timestamp_version}",
        rekor_v2_json=targets.rekor_v2_config or b"",
        expires=targets.expires,
    )


def age_of(directory: Path) -> timedelta | None:
    """How long ago the copy was fetched, by this machine's clock; None without a copy."""
    try:
        return timedelta(seconds=max(0.0, time.time() - (directory / "mirror.json").stat().st_mtime))
    except (OSError, OverflowError):
        return None


def in_words(age: timedelta) -> str:
    """Say how long ago that is, in whole days or hours."""
    hours = int(age.total_seconds() // 3600)
    amount, unit = (hours // 24, "day") if hours >= 48 else (hours, "hour")
    return f"{amount} {unit}{'' if amount == 1 else 's'} ago"


def _with_parts(whole: LoadedTrust, config: Config, *, explicit: bool) -> LoadedTrust:
    """Put in the parts for which a PEM file is named; ``explicit``: the user gave the whole."""
    trust = config.trust
    files = {
        "fulcio_root": trust.fulcio_root,
        "rekor_public_key": trust.rekor_public_key,
        "ctlog_public_key": trust.ctlog_public_key,
        "timestamp_cert_chain": trust.timestamp_cert_chain,
    }
    named = {field: path for field, path in files.items() if path is not None}
    if not named:
        return whole
    from gitsign_py.clients.trustparts import PemFile, with_parts  # noqa: PLC0415 - for those who name one

    names = {field: _name(config, field) for field in named}
    parts = {
        field: PemFile(f"{names[field]} {path}", partial(read_bounded, str(path), names[field], plain=True))
        for field, path in named.items()
    }
    root = with_parts(whole.root, parts, rekor_url=config.services.rekor_url, keeps_tiled=explicit)
    return replace(whole, root=root, source=f"{whole.source} with {', '.join(names.values())}")


def _name(config: Config, field: str) -> str:
    """The key or variable that a field's value comes from."""
    return config.source(field).name or field


def tuf_copy(trust: Trust, environment: Mapping[str, str]) -> tuple[Path, str] | None:
    """The directory of the TUF copy that counts, and the instance of this package that it is of (empty: none).

    None where a file or the bundle variable counts.
    """
    if trust.trusted_root is not None or environment.get("GITSIGN_TRUST_BUNDLE"):
        return None
    return kept_copy(trust, environment)


def kept_copy(trust: Trust, environment: Mapping[str, str]) -> tuple[Path, str]:
    """The same whatever file counts in its place."""
    if trust.instance == "" and _initialized(environment):
        return _tuf_copy(environment), ""
    instance = trust.instance or INSTANCES[0]
    return instance_copy(instance), instance


def _initialized(environment: Mapping[str, str]) -> bool:
    """Whether there is a TUF cache, or was one; looking must not make its directory, HOME may be read-only."""
    return was_kept(tuf_place(environment))


def _tuf_copy(environment: Mapping[str, str]) -> Path:
    """The directory of the TUF cache, which others must not be able to write; one that is gone is not made again."""
    place = tuf_place(environment)
    return tuf_directory(environment) if os.path.isdir(place) else place  # noqa: PTH112 - never raises


def read_bounded(path: str, source: str, *, plain: bool = False) -> bytes:
    """Read a file of trust data, at most 4 MiB. Raises ConfigError ``trust-root-file``.

    ``plain`` is for what a setting names, which a repository may have: neither a pipe nor a device is read.
    """
    try:
        place = Path(path).expanduser()
        if plain:
            data = read_plain(place, MAX_BYTES)
        else:
            with place.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError("trust-root-file", f"{source} names {path[:200]}, which cannot be read: {why}") from error
    if len(data) > MAX_BYTES:
        raise ConfigError("trust-root-file", f"{source} names {path[:200]}, which has more than {MAX_BYTES} bytes")
    return data

"""A TUF repository under ``/tuf`` that gives out the stack's trusted root and signing configuration.

Targets are what the client files hold at the moment, so a rotated key is published with the next request for
``timestamp.json``, whoever rotated it. Metadata is made by python-tuf (consistent snapshots, one key for root and one
for the online roles) and kept in ``tuf/`` of the directory; ``root.json`` beside it is what trust begins with.
"""

import re
from datetime import datetime, timedelta
from typing import Any

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined] # a public name, not marked so
from tuf.api.metadata import (  # type: ignore[attr-defined] # public names, not marked so
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from gitsign_py.localstack.clientfiles import SIGNING_CONFIG, TRUSTED_ROOT
from gitsign_py.localstack.context import Context
from gitsign_py.localstack.keyring import ServerKey
from gitsign_py.localstack.service import JSON, Refusal, Request, Response, Route, Service, TrustPart, plain_errors

NAME = "tuf"
ROOT_ROLE, ONLINE_ROLE = "tuf-root", "tuf-online"
KEY_KIND = "ecdsa-p256"
PATH = "/tuf"
TARGETS = {"trusted_root.json": TRUSTED_ROOT, "signing_config.v0.2.json": SIGNING_CONFIG}
ROOT_LIFETIME, LIFETIME = timedelta(days=3650), timedelta(days=14)
_METADATA_NAME = re.compile(r"(?:[1-9][0-9]{0,9}\.(?:root|snapshot|targets)|timestamp)\.json\Z")
_TARGET_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9_.]{1,64}\Z")
_ONLINE = ("timestamp", "snapshot", "targets")


class TufRepository:
    """Holds the repository; ``publish`` makes the next version when there is something new."""

    def __init__(self, context: Context) -> None:
        self.context = context
        now = context.now(NAME)
        for role in (ROOT_ROLE, ONLINE_ROLE):
            context.keyring.ensure(role, KEY_KIND, now)
        if self.root() is None:
            self._write_root(now, 1)

    def new_keys(self) -> ServerKey:
        """Make a root key and an online key; the next root names them, and the root key before signs that too."""
        now = self.context.now(NAME)
        self.context.keyring.add(ONLINE_ROLE, KEY_KIND, now)
        return self.context.keyring.add(ROOT_ROLE, KEY_KIND, now)

    def root(self) -> Metadata[Root] | None:
        """The latest root of the repository."""
        names = (self.context.state.directory / "tuf").glob("*.root.json")
        latest = max((int(path.name.partition(".")[0]) for path in names), default=0)
        found = self._read(f"{latest}.root.json")
        return None if found is None else Metadata[Root].from_bytes(found)

    def _signer(self, role: str) -> CryptoSigner:
        return CryptoSigner(self.context.keyring.current(role).private)

    def _write_root(self, now: datetime, version: int, before: Root | None = None) -> None:
        """A root for the keys of now, signed by them and by those of the root before (TUF specification §5.3.4)."""
        root = Root(version=version, expires=_whole(now + ROOT_LIFETIME), consistent_snapshot=True)
        root.add_key(self._signer(ROOT_ROLE).public_key, "root")
        for role in _ONLINE:
            root.add_key(self._signer(ONLINE_ROLE).public_key, role)
        metadata: Metadata[Any] = Metadata(root)
        metadata.sign(self._signer(ROOT_ROLE))
        for key in self.context.keyring.all(ROOT_ROLE) if before else ():
            signer = CryptoSigner(key.private)
            if before and signer.public_key.keyid in before.roles["root"].keyids:
                metadata.sign(signer, append=True)
        self.context.state.write_file(f"tuf/{version}.root.json", metadata.to_bytes())

    def _renew_root(self, now: datetime) -> None:
        """Make the next root when its keys were rotated (``stack rotate`` makes keys, and their rows alone)."""
        latest = self.root()
        if latest and self._signer(ROOT_ROLE).public_key.keyid not in latest.signed.roles["root"].keyids:
            self._write_root(now, latest.signed.version + 1, latest.signed)

    def publish(self) -> None:
        """Publish the client files as they are now, unless the present version has them and is fresh."""
        wanted = {name: (self.context.state.directory / file).read_bytes() for name, file in TARGETS.items()}
        now = self.context.now(NAME)
        with self.context.state.transaction():  # two processes must not make the same version
            self._renew_root(now)
            version = self._current_version(wanted, now)
            if version:
                self._write_version(version, wanted, _whole(now + LIFETIME))

    def _current_version(self, wanted: dict[str, bytes], now: datetime) -> int:
        """The number of the version to make, 0 when the present one will do."""
        stamp = self._read("timestamp.json")
        if stamp is None:
            return 1
        metadata = Metadata[Timestamp].from_bytes(stamp)
        present = metadata.signed
        ours = self._signer(ONLINE_ROLE).public_key.keyid in metadata.signatures
        listed = self._read(f"{present.version}.targets.json")
        infos = {} if listed is None else Metadata[Targets].from_bytes(listed).signed.targets
        same = infos == {name: TargetFile.from_data(name, data, ["sha256"]) for name, data in wanted.items()}
        return 0 if same and ours and present.expires - now > LIFETIME / 2 else present.version + 1

    def _write_version(self, version: int, wanted: dict[str, bytes], expires: datetime) -> None:
        """Targets first, timestamp last: whoever reads meanwhile finds the old version or the new one whole."""
        listed = Targets(version=version, expires=expires)
        for name, data in wanted.items():
            info = TargetFile.from_data(name, data, ["sha256"])
            listed.targets[name] = info
            self.context.state.write_file(f"tuf-targets/{info.hashes['sha256']}.{name}", data)
        self._write(f"{version}.targets.json", listed, ONLINE_ROLE)
        snapshot = Snapshot(version=version, expires=expires, meta={"targets.json": MetaFile(version)})
        self._write(f"{version}.snapshot.json", snapshot, ONLINE_ROLE)
        stamp = Timestamp(version=version, expires=expires, snapshot_meta=MetaFile(version))
        self._write("timestamp.json", stamp, ONLINE_ROLE)

    def _write(self, name: str, signed: Root | Targets | Snapshot | Timestamp, role: str) -> None:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self._signer(role))
        self.context.state.write_file(f"tuf/{name}", metadata.to_bytes())

    def _read(self, name: str, folder: str = "tuf") -> bytes | None:
        path = self.context.state.directory / folder / name
        return path.read_bytes() if path.is_file() else None

    # -- handlers -------------------------------------------------------------------------------------------------

    def metadata(self, request: Request) -> Response:
        """``GET /tuf/NAME``; asking for the timestamp publishes what is new."""
        name = request.parts["name"]
        if name == "timestamp.json" or name.endswith(".root.json"):
            self.publish()  # clients ask for the next root first, and for the timestamp then
        return _found(self._read(name) if _METADATA_NAME.match(name) else None)

    def target(self, request: Request) -> Response:
        """``GET /tuf/targets/SHA256.NAME``."""
        name = request.parts["name"]
        return _found(self._read(name, "tuf-targets") if _TARGET_NAME.match(name) else None)

    def trust(self) -> TrustPart:
        """``root.json``, for ``gitsign-py initialize --mirror URL/tuf --root DIR/root.json``."""
        latest = self.root()
        found = None if latest is None else self._read(f"{latest.signed.version}.root.json")
        return TrustPart(files={"root.json": found or b""})


def service(repository: TufRepository) -> Service:
    """The routes of the repository."""
    routes = (
        Route("GET", f"{PATH}/{{name}}", repository.metadata),
        Route("GET", f"{PATH}/targets/{{name}}", repository.target),
    )
    return Service(NAME, routes, plain_errors, repository.trust)


def _found(data: bytes | None) -> Response:
    if data is None:
        raise Refusal(404, "no such file in the TUF repository")
    return Response(200, data, JSON)


def _whole(time: datetime) -> datetime:
    """TUF times have whole seconds."""
    return time.replace(microsecond=0)

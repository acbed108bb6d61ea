"""A small TUF repository on disk, signed here, and a loopback server for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

ROLES = ("root", "timestamp", "snapshot", "targets")


@dataclass(frozen=True)
class Delegation:
    """A role that another one hands all names on to, with a key of its own."""

    name: str
    targets: dict[str, bytes]
    delegations: "tuple[Delegation, ...]" = ()


class TufRepository:
    """Publishes targets under ``directory``; each role has a key of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.signers = {role: CryptoSigner.generate_ecdsa() for role in ROLES}
        self.version = 0
        self.root_version = 0
        (directory / "targets").mkdir(parents=True)
        self.publish_root()

    def publish_root(self, *, days: int = 30) -> bytes:
        """Write the next root, signed by the present root key (and by the one before, when it was changed)."""
        self.root_version += 1
        root = Root(version=self.root_version, expires=_in(days), consistent_snapshot=True)
        for role in ROLES:
            root.add_key(self.signers[role].public_key, role)
        return self._write(f"{self.root_version}.root.json", root, "root")

    def publish(
        self,
        targets: dict[str, bytes],
        *,
        days: int = 7,
        version: int | None = None,
        delegations: tuple[Delegation, ...] = (),
    ) -> None:
        """Write targets, snapshot and timestamp of the next version."""
        self.version = version or self.version + 1
        names = self._publish_role("targets", targets, delegations)
        meta = {f"{name}.json": MetaFile(self.version) for name in names}
        snapshot = Snapshot(version=self.version, expires=_in(30), meta=meta)
        self._write(f"{self.version}.snapshot.json", snapshot, "snapshot")
        stamp = Timestamp(version=self.version, expires=_in(days), snapshot_meta=MetaFile(self.version))
        self._write("timestamp.json", stamp, "timestamp")

    def _publish_role(self, role: str, targets: dict[str, bytes], delegations: tuple[Delegation, ...]) -> list[str]:
        """Write the role and those that it delegates to; gives the names of all."""
        listed, names = Targets(version=self.version, expires=_in(30)), [role]
        for name, data in targets.items():
            info = TargetFile.from_data(name, data)
            listed.targets[name] = info
            (self.directory / "targets" / f"{info.hashes['sha256']}.{name}").write_bytes(data)
        for one in delegations:
            key = self.signers.setdefault(one.name, CryptoSigner.generate_ecdsa()).public_key
            listed.delegations = listed.delegations or Delegations({}, {})
            assert listed.delegations.roles is not None
            listed.delegations.keys[key.keyid] = key
            listed.delegations.roles[one.name] = DelegatedRole(one.name, [key.keyid], 1, False, ["*"])
            names += self._publish_role(one.name, one.targets, one.delegations)
        self._write(f"{self.version}.{role}.json", listed, role)
        return names

    @property
    def root(self) -> bytes:
        """The first root.json, where trust begins."""
        return (self.directory / "1.root.json").read_bytes()

    def _write(self, name: str, signed: Any, role: str) -> bytes:
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(self.signers[role])
        data = metadata.to_bytes()
        (self.directory / name).write_bytes(data)
        return data


def _in(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class has
        pass


@contextmanager
def serve(directory: Path) -> Iterator[str]:
    """Serve a directory on loopback; gives the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

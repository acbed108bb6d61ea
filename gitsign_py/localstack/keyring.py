"""The server keys of a local stack: each has a role, a window of validity and perhaps a certificate or a tree.

A role (``idp``, ``fulcio-root``, ``fulcio-intermediate``, ``ctlog``, ``rekor1``, ...) may have had several keys one
after the other. Private keys are PKCS#8 PEM files of mode 0600 in ``keys/``; a local stack's keys guard nothing but
itself, which is why they may lie in files at all.
"""

import hashlib
import inspect
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gitsign_py.core.pki.keys import PublicKey, load_spki
from gitsign_py.core.trust.root import Validity
from gitsign_py.errors import ConfigError
from gitsign_py.localstack.keyfiles import PrivateKey, read_key, write_key
from gitsign_py.localstack.state import State

_MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "ecdsa-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
}
FOLDER = "keys"


def _has_rfc6979() -> bool:
    try:
        ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:  # OpenSSL before 3.2
        return False
    return True


RFC6979 = _has_rfc6979()
"""Whether ECDSA signatures follow from key and message alone, so that a stack with a seed gives the same ones twice."""
CERTIFICATE_RFC6979 = RFC6979 and "ecdsa_deterministic" in inspect.signature(x509.CertificateBuilder.sign).parameters
_Version = tuple[int, int, str | None]
"""Keys made, keys closed, the last one's file: a registry never shows the same ones with other keys."""
_LOOK = "SELECT coalesce(max(number), 0), count(ends), (SELECT file FROM keys ORDER BY number DESC LIMIT 1) FROM keys"
_COLUMNS = "number, role, kind, file, certificate, starts, ends, tree_id"


@dataclass(frozen=True, slots=True)
class ServerKey:
    """One key: ``certificate`` DER or empty, ``tree_id`` of its log (0: none), ``ends`` None while it is open."""

    number: int
    role: str
    kind: str
    file: str
    private: PrivateKey
    public: PublicKey
    certificate: bytes
    starts: datetime
    ends: datetime | None
    tree_id: int

    @property
    def validity(self) -> Validity:
        """Its window as the trusted root writes it; both ends are inside."""
        return Validity(self.starts, self.ends)

    @property
    def key_id(self) -> bytes:
        """SHA-256 of its SubjectPublicKeyInfo."""
        return self.public.key_id

    def sign(self, data: bytes) -> bytes:
        """Sign: ECDSA as DER with the hash of the curve's strength (P-384: SHA-384), Ed25519, or RSA as PKCS 1 v1.5."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        digest = hashes.SHA384() if self.kind == "ecdsa-p384" else hashes.SHA256()
        return self.private.sign(data, ec.ECDSA(digest, deterministic_signing=RFC6979))

    @property
    def pem(self) -> bytes:
        """The public key as PEM."""
        return _public_pem(self.private.public_key())


def _public_pem(public: PublicKeyTypes) -> bytes:
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_key(kind: str) -> PrivateKey:
    """A fresh key of ``kind``: ecdsa-p256, ecdsa-p384, ed25519 or rsa-2048."""
    return _MAKERS[kind]()


def file_name(role: str, public: PublicKeyTypes) -> str:
    """The path of a key's file in the directory: it names the key's hash, so no file ever gets another content."""
    return f"{FOLDER}/{role}-{hashlib.sha256(_public_pem(public)).hexdigest()[:12]}.pem"


def _public(private: PrivateKey) -> PublicKey:
    return load_spki(
        private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def _whole_second(time: datetime) -> datetime:
    """Windows are kept in whole seconds, as RFC 5280 certificates have them."""
    return time.astimezone(UTC).replace(microsecond=0)


class Keyring:
    """The registry. Rows are in SQLite, so that another process (``stack rotate``) can add to them."""

    def __init__(self, state: State, make_key: Callable[[str], PrivateKey] = new_key) -> None:
        self._state, self._make_key = state, make_key
        self._publish: Callable[[], object] | None = None
        self._published: tuple[int, int] = (0, 0)
        self._publishing = threading.RLock()
        self._known: dict[str, tuple[_Version, tuple[ServerKey, ...]]] = {}

    def over(self, state: State) -> "Keyring":
        """The same registry over a connection of its own."""
        return Keyring(state, self._make_key)

    def publish(self, write: Callable[[], object]) -> None:
        """Say now what clients must know of the keys, and again before a key that another process made is used.

        ``stack rotate`` commits its rows before it writes the client files, and may be killed between the two.
        """
        self._publish = write
        with self._state.reading() as db:
            self._look(db)

    def _look(self, db: sqlite3.Connection) -> _Version:
        """The registry that this view shows; clients are told of it first when another process changed it."""
        number, ended, file = db.execute(_LOOK).fetchone()
        if self._publish and (number, ended) > self._published:  # a view of before never takes the newer files away
            with self._publishing:
                if (number, ended) > self._published:
                    self._tell((number, ended))
        return number, ended, file

    def _tell(self, now: tuple[int, int]) -> None:
        before, self._published = self._published, now  # set first: what is written reads keys as well
        try:
            if self._publish:
                self._publish()
        except BaseException:
            self._published = before
            raise

    def sweep(self) -> None:
        """Delete key files that no row names: of a start or rotation that ended before its commit."""
        with self._state.transaction() as db:  # while another process has files without rows it has this lock
            named = {str(row[0]) for row in db.execute("SELECT file FROM keys")}
            for path in (self._state.directory / FOLDER).glob("*"):
                if f"{FOLDER}/{path.name}" not in named:
                    path.unlink(missing_ok=True)

    def all(self, role: str) -> tuple[ServerKey, ...]:
        """Every key of ``role``, oldest first."""
        with self._state.reading() as db:
            version = self._look(db)
            known = self._known.get(role)
            if known and known[0] == version:
                return known[1]
            rows = db.execute(f"SELECT {_COLUMNS} FROM keys WHERE role = ? ORDER BY number", (role,)).fetchall()  # noqa: S608
        keys = tuple(self._load(row) for row in rows)
        self._known[role] = version, keys
        return keys

    def current(self, role: str) -> ServerKey:
        """The key of ``role`` that has no end. Raises ConfigError ``stack-key-missing``."""
        for key in reversed(self.all(role)):
            if key.ends is None:
                return key
        raise ConfigError("stack-key-missing", f"the local stack has no open key for {role}")

    def ensure(self, role: str, kind: str, starts: datetime, *, tree_id: int = 0) -> ServerKey:
        """The current key of ``role``, made when there is none of this kind yet."""
        with self._state.transaction():
            if not any(key.ends is None and key.kind == kind for key in self.all(role)):
                self.add(role, kind, starts, tree_id=tree_id)
            return self.current(role)

    def add(
        self,
        role: str,
        kind: str,
        starts: datetime,
        *,
        certificate: Callable[[PrivateKey], bytes] | None = None,
        tree_id: int = 0,
    ) -> ServerKey:
        """Make a key and write it. ``certificate`` makes the DER for the new private key.

        The file is on disk before the row that names it can be; a power cut leaves no row without its key.
        """
        private = self._make_key(kind)
        name = file_name(role, private.public_key())
        pem = write_key(private)
        issued = certificate(private) if certificate else b""
        row = (role, kind, name, issued, int(_whole_second(starts).timestamp()), tree_id or None)
        with self._state.transaction() as db:
            self._state.write_file(name, pem)
            db.execute(
                "INSERT INTO keys (role, kind, file, certificate, starts, tree_id) VALUES (?, ?, ?, ?, ?, ?)", row
            )
        return self.current(role)

    def close(self, key: ServerKey, ends: datetime) -> None:
        """End the window of ``key``: it signs nothing from then on and stays in the trusted root."""
        with self._state.transaction() as db:
            db.execute("UPDATE keys SET ends = ? WHERE number = ?", (int(_whole_second(ends).timestamp()), key.number))

    def _load(self, row: sqlite3.Row | tuple[object, ...]) -> ServerKey:
        number, role, kind, file, certificate, starts, ends, tree_id = row
        private = read_key(str(self._state.directory / str(file)))
        return ServerKey(
            number=int(str(number)),
            role=str(role),
            kind=str(kind),
            file=str(file),
            private=private,
            public=_public(private),
            certificate=certificate if isinstance(certificate, bytes) else b"",
            starts=datetime.fromtimestamp(int(str(starts)), UTC),
            ends=None if ends is None else datetime.fromtimestamp(int(str(ends)), UTC),
            tree_id=int(str(tree_id or 0)),
        )

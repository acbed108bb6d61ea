"""A stack that is the same twice, for golden files: keys and serial numbers come of a seed, and its time stands still.

Such keys are known to everybody who knows the seed, so it is for tests alone, on loopback, in a new directory: one that
goes on from where it was would give numbers a second time.
"""

import hashlib
import threading
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gitsign_py.core.encoding import parse_rfc3339
from gitsign_py.errors import ConfigError, FormatError, UsageError
from gitsign_py.localstack.context import Sources
from gitsign_py.localstack.directory import DATABASE
from gitsign_py.localstack.keyfiles import PrivateKey

USUAL_TIME = "2026-01-01T00:00:00Z"
_EXPONENT = 65537
_ROUNDS = 5
"""Of Miller-Rabin: enough for random 1024-bit numbers (FIPS 186-5, table B.1), which a seed's are."""


def sources(directory: Path, seed: str, time: str = "") -> Sources:
    """The usual sources, or with a ``seed`` those that repeat; ``time`` is RFC 3339.

    Raises UsageError ``seed-time``, ConfigError ``stack-seed-used``.
    """
    if not seed:
        if time:
            raise UsageError("seed-time", "a fixed time belongs to a stack with a seed", hint="give a seed as well")
        return Sources()
    if (directory / DATABASE).exists():
        raise ConfigError(
            "stack-seed-used",
            f"the stack in {directory} was started before, and a seed would give its numbers twice",
            hint="give a new directory",
        )
    try:
        fixed = parse_rfc3339(time or USUAL_TIME)
    except FormatError as error:
        raise UsageError("seed-time", f"{time!r} is no time in RFC 3339", hint=f"such as {USUAL_TIME}") from error
    numbers, keys = Stream(seed, "numbers"), Stream(seed, "keys")
    return Sources(lambda: fixed, numbers.read, lambda kind: _key(kind, keys))


class Stream:
    """Bytes that follow from a seed and a purpose: SHA-256 over both and a counter."""

    def __init__(self, seed: str, purpose: str) -> None:
        self._prefix = hashlib.sha256(f"{purpose}\0{seed}".encode()).digest()
        self._lock = threading.Lock()
        self._count = 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        parts: list[bytes] = []
        with self._lock:
            for _ in range(0, size, 32):
                parts.append(hashlib.sha256(self._prefix + self._count.to_bytes(8, "big")).digest())
                self._count += 1
        return b"".join(parts)[:size]


def _key(kind: str, stream: Stream) -> PrivateKey:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.from_private_bytes(stream.read(32))
    if kind == "rsa-2048":
        return _rsa(stream)
    curve, size = (ec.SECP384R1(), 48) if kind == "ecdsa-p384" else (ec.SECP256R1(), 32)
    # A byte less than the group's order: smaller than it, and for tests random enough.
    return ec.derive_private_key(int.from_bytes(stream.read(size - 1), "big") + 1, curve)


def _rsa(stream: Stream) -> rsa.RSAPrivateKey:
    p, q = _prime(stream), _prime(stream)
    d = rsa.rsa_recover_private_exponent(_EXPONENT, p, q)
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    exponents = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *exponents, public).private_key()


def _prime(stream: Stream) -> int:
    """The next prime after 1024 bits of the stream that begin with 11 (so that a product of two has 2048 bits)."""
    candidate = int.from_bytes(stream.read(128), "big") | 3 << 1022 | 1
    while candidate % _EXPONENT == 1 or not _is_prime(candidate, stream):
        candidate += 2
    return candidate


def _is_prime(number: int, stream: Stream) -> bool:
    """Trial division, then Miller-Rabin (FIPS 186-5, B.3.1)."""
    if any(number % small == 0 for small in _SMALL_PRIMES):
        return False
    twos = ((number - 1) & (1 - number)).bit_length() - 1
    return all(_passes(number, twos, int.from_bytes(stream.read(127), "big") + 2) for _ in range(_ROUNDS))


def _passes(number: int, twos: int, base: int) -> bool:
    value = pow(base, (number - 1) >> twos, number)
    if value in {1, number - 1}:
        return True
    for _ in range(twos - 1):
        value = value * value % number
        if value == number - 1:
            return True
    return False


_SMALL_PRIMES = tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))

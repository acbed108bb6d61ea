"""RSA keys, which take a second of processor time in ten: some are made for a test worker, and used again and again."""

from functools import cache
from itertools import count

from cryptography.hazmat.primitives.asymmetric import rsa

_DIFFERENT = 6
"""More than any test wants beside each other."""
_made = count()


@cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """The key of this number, 2048 bits."""
    return rsa.generate_private_key(65537, 2048)


def next_rsa_key() -> rsa.RSAPrivateKey:
    """Another key than the few before."""
    return rsa_key(next(_made) % _DIFFERENT)

"""Input that the program refuses to sign: the signed attributes of CMS.

A CMS signature is not over the content but over its signed attributes, a DER SET that holds the content's digest (RFC
5652 §5.4). A person who signs these very bytes as a file has signed the content: put into a SignedData, his signature
is one over the commit. The format has nothing that tells the two apart, so what signs files must refuse such a file.
"""

from gitsign_py.core.pki import der, oids
from gitsign_py.errors import PolicyError

_MESSAGE_DIGEST = der.oid(oids.MESSAGE_DIGEST)


def refuse_signed_attributes(data: bytes) -> None:
    """Refuse to sign ``data`` when some reader may take it for signed attributes, whether or not it is their DER.

    Raises PolicyError ``signed-attributes``.
    """
    if data[:1] == bytes([der.SET]) and _MESSAGE_DIGEST in data and _one_element(data):
        raise PolicyError(
            "signed-attributes",
            "what is to be signed is itself the signed part of a CMS signature: signing it would sign a commit unseen",
            hint="ask the person who gave you this input about it; no use of it needs a signature",
        )


def _one_element(data: bytes) -> bool:
    """Whether the whole is one BER element: readers that take other lengths than DER's may be among them."""
    first = data[1] if len(data) > 1 else 0
    if first == 0x80:  # of indefinite length
        return True
    octets = first & 0x7F if first & 0x80 else 0
    length = int.from_bytes(data[2 : 2 + octets], "big") if octets else first
    return 2 + octets + length == len(data)

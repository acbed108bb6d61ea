"""The armor around a CMS signature: a PEM block with the label ``SIGNED MESSAGE`` (RFC 7468 form, gpgsm's label).

The armor of a commit's signature is not itself signed, so whatever a reader tolerates here is a way to give one
commit many object ids. One spelling is read, the one that gpgsm and Go's encoding/pem write (64 columns, LF), with the
two tolerances named at :func:`dearmor`.
"""

import binascii

from gitsign_py.core.encoding import pem_encode
from gitsign_py.errors import FormatError

LABEL = "SIGNED MESSAGE"
MAX_ARMORED_BYTES = 1 << 20
"""1 MiB: the largest known signatures (two certificates, log entry, timestamp) have 16 KiB."""

_BEGIN = f"-----BEGIN {LABEL}-----\n".encode("ascii")
_END = f"-----END {LABEL}-----\n".encode("ascii")


def armor(der: bytes) -> bytes:
    """Armor DER bytes: BEGIN line, base64 in lines of 64 columns, END line, each ended by LF."""
    return pem_encode(der, LABEL)


def dearmor(armored: bytes) -> bytes:
    """Give the DER inside the armor.

    Tolerated: the newline after the END line may be missing. A tag's signature ends the object, and copies of a
    signature (an API's JSON, ``%(contents:signature)``, an editor) lose it; it carries nothing. Nor does one empty line
    after the END line: libgit2 (format_header_field in its commit.c) and dulwich (_format_message in its objects.py)
    take a signature's last newline for one between two lines of the header, so every commit that is signed through
    them has it. Not tolerated, since git and the programs that sign for it never write them: CRLF (git strips
    CR from what a signer gives it), other line lengths, white space, headers inside the block, text before or after
    it, more empty lines, a second block, loose base64.

    Raises FormatError ``armor-too-large``, ``armor-label``, ``armor-invalid``.
    """
    if len(armored) > MAX_ARMORED_BYTES:
        raise FormatError(
            "armor-too-large", f"the signature has {len(armored)} bytes, at most {MAX_ARMORED_BYTES} are read"
        )
    if not armored.startswith(_BEGIN[:-1]):
        raise FormatError("armor-label", f"the signature does not start with -----BEGIN {LABEL}-----")
    text = armored if armored.endswith(b"\n") else armored + b"\n"
    text = text.removesuffix(b"\n") if text.endswith(_END + b"\n") else text
    if not text.startswith(_BEGIN) or not text.endswith(b"\n" + _END):
        raise FormatError("armor-invalid", f"the signature is not one whole {LABEL} block with LF line ends")
    try:
        der = binascii.a2b_base64(text[len(_BEGIN) : -len(_END)])  # skips what is no base64: the comparison finds it
    except binascii.Error as error:
        raise FormatError("armor-invalid", "the signature's armor is not base64") from error
    if not der or armor(der) != text:  # one value, one spelling: no stray bits, lines of 64 columns, no blank lines
        raise FormatError("armor-invalid", "the signature's armor is not canonical base64 in lines of 64 columns")
    return der

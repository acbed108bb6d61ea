"""The machine-readable lines that git reads from a signing program: ``[GNUPG:] KEYWORD arguments``.

Fields are those of GnuPG's doc/DETAILS, "Format of the --status-fd output". git reads them in
``parse_gpg_output`` and ``sign_buffer_gpg`` in its gpg-interface.c, and that decides two things here: a line must come
before GOODSIG and SIG_CREATED (git searches for them after a newline), and every verdict carries a TRUST_ line and a
user id (without them ``%GT`` aborts git).

Every function gives whole lines as bytes, each ended by LF.
"""

from datetime import UTC, datetime
from typing import Literal

Trust = Literal["UNDEFINED", "NEVER", "MARGINAL", "FULLY", "ULTIMATE"]

# OpenPGP numbers, which DETAILS asks for: RFC 6637 §5 (ECDSA) and RFC 4880 §9.4 (SHA-256); class 00 is binary.
_ECDSA, _SHA256, _BINARY = 19, 8, "00"
# DETAILS has no fingerprint for "not known"; gpgsm writes zeros for the key id.
_NO_KEY = "0000000000000000"

ERROR_UNKNOWN_ALGORITHM = 4
ERROR_MISSING_KEY = 9
ERROR_GENERAL = 1
"""Values of ERRSIG's rc field: DETAILS names 4 and 9, others are GnuPG error codes (1 is GPG_ERR_GENERAL)."""


def escape(text: str) -> str:
    """Make ``text`` safe as the last field of a line: UTF-8, ``%XX`` for ``%`` and all that does not print.

    A newline would forge a status line, other control and direction characters would speak to the terminal that shows
    ``%GS``. A leading space is escaped too, since git takes the user id from after exactly one.
    """
    return "".join(
        char if char.isprintable() and char != "%" and not (char == " " and at == 0) else _percent(char)
        for at, char in enumerate(text)
    )


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def line(keyword: str, *fields: object) -> bytes:
    """One status line. Fields are words; the caller escapes free text with :func:`escape`."""
    return " ".join(["[GNUPG:]", keyword, *(str(field) for field in fields)]).encode("utf-8") + b"\n"


def new_signature() -> bytes:
    """``NEWSIG``: a verdict follows. Also the line that git wants before GOODSIG."""
    return line("NEWSIG")


def begin_signing() -> bytes:
    """``BEGIN_SIGNING H8``: signing starts, with SHA-256. Also the line that git wants before SIG_CREATED."""
    return line("BEGIN_SIGNING", f"H{_SHA256}")


def signature_created(fingerprint: str, at: datetime) -> bytes:
    """``SIG_CREATED D pkalgo hashalgo class timestamp fingerprint``: a detached signature was made.

    ``fingerprint`` is the hex of the leaf certificate's digest, ``at`` an aware datetime.
    """
    return line("SIG_CREATED", "D", _ECDSA, _SHA256, _BINARY, _seconds(at), fingerprint.upper())


def good(fingerprint: str, user_id: str, signed_at: datetime, trust: Trust) -> bytes:
    """NEWSIG, GOODSIG, VALIDSIG and TRUST_*: the signature is good, and how far its signer is trusted."""
    return b"".join(
        [
            new_signature(),
            _verdict("GOODSIG", fingerprint, user_id),
            valid_signature(fingerprint, signed_at),
            trusted(trust),
        ]
    )


def bad(fingerprint: str, user_id: str) -> bytes:
    """NEWSIG, BADSIG and TRUST_NEVER: the signature is wrong. Both arguments may be empty when nothing is known."""
    return new_signature() + _verdict("BADSIG", fingerprint, user_id) + trusted("NEVER")


def unchecked(fingerprint: str, signed_at: datetime | None, code: int = ERROR_GENERAL) -> bytes:
    """NEWSIG, ERRSIG and TRUST_UNDEFINED: the signature could not be checked.

    ``ERRSIG keyid pkalgo hashalgo class time rc fpr``; time is 0 and fpr ``-`` when not known.
    """
    fields = (fingerprint.upper() or _NO_KEY, _ECDSA, _SHA256, _BINARY, _seconds(signed_at) if signed_at else 0, code)
    return new_signature() + line("ERRSIG", *fields, fingerprint.upper() or "-") + trusted("UNDEFINED")


def valid_signature(fingerprint: str, signed_at: datetime) -> bytes:
    """``VALIDSIG fpr date timestamp expires version reserved pkalgo hashalgo class [primary-fpr]``.

    The signature itself never expires (0), its version and the reserved field are 0 as gpgsm writes them. The primary
    key's fingerprint is the certificate's own: OpenPGP subkeys have no counterpart here, and ``%GP`` is then right.
    """
    name, day = fingerprint.upper(), signed_at.astimezone(UTC).strftime("%Y-%m-%d")
    return line("VALIDSIG", name, day, _seconds(signed_at), 0, 0, 0, _ECDSA, _SHA256, _BINARY, name)


def trusted(trust: Trust) -> bytes:
    """``TRUST_level 0 shell``: error token 0, certificate chains checked by the shell model (DETAILS, TRUST_)."""
    return line(f"TRUST_{trust}", 0, "shell")


def _verdict(keyword: str, fingerprint: str, user_id: str) -> bytes:
    # An empty user id makes git read the next line as part of this one.
    return line(keyword, fingerprint.upper() or _NO_KEY, escape(user_id) or "[unknown]")


def _seconds(at: datetime) -> int:
    return int(at.timestamp())

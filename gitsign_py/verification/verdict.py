"""Verified, bad or unchecked: the one table from reason code to verdict, for every part of the program that verifies.

A signature is bad when it shows by itself that it is wrong. It is unchecked when this verifier lacks something: a key,
a CA or log in its trust root, a log's answer, a program, a form that this version does not know. Unchecked is never
accepted, neither by a policy nor by a hook. docs/reasons.md has its verdicts from this table.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from gitsign_py.errors import FormatError, GitsignError, UncheckedError, VerificationError

Verdict = Literal["verified", "bad", "unchecked"]
"""The verdict on a signature; unchecked means that something was missing that the check needs."""

_KEY, _ROOT, _LOG, _WITNESSES = "a key", "the trust root", "the log's word", "a witness policy with this log"
_OBJECT, _FORM = "the object", "a form that it knows"

LACKING: Mapping[str, str] = MappingProxyType(
    {
        "object-missing": _OBJECT,
        "object-unreadable": _OBJECT,
        "object-too-large": _OBJECT,
        "artifact-digest-unknown": _OBJECT,
        "signature-second-unchecked": _OBJECT,
        "key-needs-content": _OBJECT,
        "signature-format-unsupported": _FORM,
        "signature-other-hash": _FORM,
        "signature-prerelease": _FORM,
        "key-unsupported": _FORM,
        "sct-version-unsupported": _FORM,
        "entry-kind-unsupported": _FORM,
        "entry-version-unsupported": _FORM,
        "cosignature-unsupported": _FORM,
        "dsse-payload-type": _FORM,
        "bundle-signer-mismatch": _KEY,
        "certificate-untrusted": _ROOT,
        "sct-log-unknown": _ROOT,
        "log-unknown": _ROOT,
        "timestamp-authority-untrusted": _ROOT,
        "timestamp-signer-not-found": _ROOT,
        "trust-root-missing": _ROOT,
        "trusted-root-malformed": _ROOT,
        "trusted-root-version": _ROOT,
        "witness-log-unlisted": _WITNESSES,
        "log-entry-not-embedded": _LOG,
        "log-unreachable": _LOG,
        "log-cannot-search": _LOG,
        "log-entry-not-found": _LOG,
        "log-entry-unproven": _LOG,
    }
)
"""By reason code what the verifier lacks. Each other refusal of a signature shows that it is bad."""

_AUTHORITIES = frozenset(reason for reason, what in LACKING.items() if what == _ROOT and not reason.startswith("trust"))


def lacks_authority(error: GitsignError) -> bool:
    """Tell whether a check failed for want of a CA, log or timestamp authority, which a newer trust root may have."""
    return error.reason in _AUTHORITIES or error.facts.get("cause") in _AUTHORITIES


def verdict_of(error: GitsignError | None) -> Verdict:
    """Give the verdict that an error stands for; None is the error of a signature that passed every step.

    An error that says nothing about the signature (settings, servers, git) leaves it unchecked.
    """
    if error is None:
        return "verified"
    if isinstance(error, UncheckedError) or error.reason in LACKING:
        return "unchecked"
    return "bad" if isinstance(error, VerificationError | FormatError) else "unchecked"


def refusal_of(error: VerificationError | FormatError, step: str) -> VerificationError:
    """Give what a step raises for ``error``: UncheckedError for the verdict unchecked, VerificationError for bad."""
    unchecked = verdict_of(error) == "unchecked"
    if isinstance(error, VerificationError) and isinstance(error, UncheckedError) == unchecked:
        error.step = error.step or step
        return error
    kind = UncheckedError if unchecked else VerificationError
    own = error.step if isinstance(error, VerificationError) else ""
    return kind(error.reason, error.message, step=own or step, hint=error.hint, facts=error.facts)

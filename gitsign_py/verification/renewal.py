"""A check that is made once more where the trust root lacked an authority: by a newer one, if there is one.

An instance begins to use a new CA, log or timestamp authority, and every trust root that was fetched before lacks it.
Such a check says nothing about the signature, so it is worth one look for a newer trust root; one that fails for any
other reason is not made again.
"""

from collections.abc import Callable
from typing import TypeVar

from gitsign_py.core.trust.root import TrustedRoot
from gitsign_py.errors import GitsignError, VerificationError
from gitsign_py.verification.steps import Report
from gitsign_py.verification.verdict import lacks_authority

T = TypeVar("T")
Renew = Callable[[GitsignError], TrustedRoot | None]
"""Looks for a newer trust root than the one that lacked what the error names; None where there is none."""


def checked(
    root: TrustedRoot, renew: Renew | None, check: Callable[[TrustedRoot], T], report: Report | None = None
) -> T:
    """Check by ``root``, and once by what ``renew`` gives where an authority was lacking. Raises what ``check`` raises.

    The steps of the first try are taken out of ``report``.
    """
    made = 0 if report is None else len(report.steps)
    try:
        return check(root)
    except VerificationError as error:
        newer = renew(error) if renew is not None and lacks_authority(error) else None
        if newer is None:
            raise
    if report is not None:
        del report.steps[made:]
    return check(newer)

"""NIST's path validation suite (PKITS, public domain) against the path search: no acceptance that it refuses.

The certificates come with the package cryptography-vectors; nothing of it is copied here. A name says what its case
must give (Valid..., Invalid...). Revocation is not judged here (a signer's certificate lives for ten minutes, and the
log's time lies inside), so the cases of CRLs are named below; each refusal that is ours alone has its reason, which
docs/refused.md explains.
"""

import importlib.util
import os
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from gitsign_py.core.pki.certificate import Certificate, parse_certificate
from gitsign_py.core.pki.certpath import check_path, check_times
from gitsign_py.errors import FormatError, GitsignError

TIME = datetime(2020, 1, 1, tzinfo=UTC)
OF_REVOCATION = re.compile(
    r"Invalid(.*CRL.*|Revoked(CA|EE)|(only|delta|distribution|cRL).*|keyUsage.*cRLSignFalse"
    r"|BasicSelfIssued(NewWithOld|OldWithNew)|LongSerialNumber)Test\d+EE\Z"
)
STRICTER = {
    "names are compared byte by byte": r"NameChaining(Whitespace|Capitalization)|UTF8String|Rollover|NameUIDs",
    "name constraints": r"nameConstraints",
    "limits of policies": r"[Pp]olicyMapping|[Pp]olicyTest|AnyPolicy|ExplicitPolicy",
    "self-issued CAs count": r"SelfIssuedpathLenConstraint",
    "basicConstraints are critical": r"basicConstraintsNotCritical",
    "DSA": r"DSA",
    "years to 2049 are UTCTime": r"GeneralizedTimenotBeforeDate",
}


def _folder() -> Path | None:
    found = importlib.util.find_spec("cryptography_vectors")
    places = [Path(one) for one in (found.submodule_search_locations or [])] if found else []
    places.append(Path(os.environ.get("GITSIGN_PY_TEST_TOOLS", "/nowhere")) / "vectors" / "cryptography_vectors")
    folders = [place / "x509" / "PKITS_data" / "certs" for place in places]
    return next((folder for folder in folders if folder.is_dir()), None)


FOLDER = _folder()
pytestmark = pytest.mark.skipif(FOLDER is None, reason="PKITS is not there (pip install cryptography-vectors)")


@cache
def certificates() -> dict[str, Certificate]:
    """All that can be read, by name. The others (DSA keys, negative serial numbers) are refused as they are read."""
    found = {}
    for path in sorted((FOLDER or Path()).glob("*.crt")):
        try:
            found[path.stem] = parse_certificate(path.read_bytes())
        except FormatError:
            continue
    return found


def cases() -> list[str]:
    return sorted(path.stem for path in (FOLDER or Path()).glob("*EE.crt") if re.match("(Inv|V)alid", path.stem))


def ancestors(leaf: Certificate) -> list[Certificate]:
    """What a signer would send along: the CAs above the leaf, by their names."""
    line = [leaf]
    for child in line:  # grows while it runs
        issuers = (one for name, one in certificates().items() if not name.endswith("EE"))
        line += [one for one in issuers if one.subject == child.issuer and one not in line]
    return line[1:]


def accepted(name: str) -> bool:
    leaf = certificates().get(name)
    if leaf is None:
        return False
    root = certificates()["TrustAnchorRootCertificate"]
    try:
        check_path(leaf, (root,), purpose="none", untrusted=ancestors(leaf), times=[TIME])
        check_times([leaf], TIME)
    except GitsignError:
        return False
    return True


def test_no_path_is_accepted_that_is_invalid() -> None:
    invalid = [name for name in cases() if name.startswith("Invalid")]
    assert len(invalid) > 100
    assert [name for name in invalid if accepted(name) and not OF_REVOCATION.match(name)] == []


def test_paths_that_are_valid_are_accepted_but_for_what_is_stricter_here() -> None:
    valid = [name for name in cases() if name.startswith("Valid")]
    refused = [name for name in valid if not accepted(name)]
    assert [name for name in refused if not any(re.search(one, name) for one in STRICTER.values())] == []
    assert all(any(re.search(one, name) for name in refused) for one in STRICTER.values())
    assert len(valid) - len(refused) > 30

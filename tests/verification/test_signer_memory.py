"""What is remembered of a certificate holds for the trust root that it was checked against, and for no other."""

from pathlib import Path

import pytest

from gitsign_py.core.frozen import replace
from gitsign_py.core.git.gitobject import split_commit
from gitsign_py.core.trust.root import parse_trusted_root
from gitsign_py.errors import VerificationError
from gitsign_py.verification import Report, open_signature
from gitsign_py.verification.signer import check_signer
from tests.support.vectors import folder


def test_a_changed_trust_root_with_the_same_digest_is_asked_anew() -> None:
    realstack: Path = folder("realstack")
    root = parse_trusted_root((realstack / "trusted_root.json").read_bytes())
    signature = split_commit((realstack / "v1-offline.commit").read_bytes()).signature
    assert signature is not None
    leaf = open_signature(signature).certificate
    first, again = Report(), Report()
    signer = check_signer(first, leaf, (), root)
    assert check_signer(again, leaf, (), root) is signer
    assert [step.number for step in again.steps] == [step.number for step in first.steps]
    for emptied in (replace(root, certificate_authorities=()), replace(root, ctlogs=())):
        assert emptied.digest == root.digest
        with pytest.raises(VerificationError):
            check_signer(Report(), leaf, (), emptied)

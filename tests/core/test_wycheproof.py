"""Signature vectors of Project Wycheproof (C2SP, Apache-2.0): ``core/pki/keys.py`` accepts nothing that they refuse.

They come as a Go module, which ``go mod download`` puts where the tests look; nothing of it is copied here.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gitsign_py.core.pki import keys
from gitsign_py.errors import FormatError, InvalidSignatureError

MODULE = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a"
"""The version that was looked at; a newer one may hold cases that want a word of explanation first."""
_GO_PATH = Path(os.environ.get("GOPATH") or Path.home() / "go")
VECTORS = Path(os.environ.get("GOMODCACHE") or _GO_PATH / "pkg" / "mod") / MODULE / "testvectors_v1"
HASHES = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
FILES = [
    "ecdsa_secp256r1_sha256_test.json",
    "ecdsa_secp256r1_sha512_test.json",
    "ecdsa_secp384r1_sha256_test.json",
    "ecdsa_secp384r1_sha384_test.json",
    "ecdsa_secp384r1_sha512_test.json",
    "ecdsa_secp521r1_sha512_test.json",
    "ed25519_test.json",
    *(f"rsa_signature_{bits}_sha{size}_test.json" for bits in (2048, 3072, 4096, 8192) for size in (256, 384, 512)),
    "rsa_pss_2048_sha256_mgf1_32_test.json",
    "rsa_pss_4096_sha384_mgf1_48_test.json",
    "rsa_pss_4096_sha512_mgf1_64_test.json",
    "rsa_pss_3072_sha256_mgf1_32_test.json",
    "rsa_pss_4096_sha256_mgf1_32_test.json",
]
OTHERS = {
    "ecdsa_secp256r1_sha3_256_test.json",
    "ecdsa_secp256r1_sha256_p1363_test.json",
    "rsa_pss_2048_sha256_mgf1_32_params_test.json",
}
"""Kinds that are no signatures here: SHA-3, r and s side by side, RSASSA-PSS keys."""
pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason=f"Wycheproof's vectors are not there (go mod download {MODULE})"
)


def groups(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / file).read_text(encoding="utf-8"))["testGroups"]
    assert found
    return found


def key_of(group: dict[str, Any]) -> keys.PublicKey:
    return keys.load_spki(bytes.fromhex(group.get("publicKeyDer") or group["publicKeyAsn"]))


def accepts(key: keys.PublicKey, group: dict[str, Any], test: dict[str, Any]) -> bool:
    scheme = "pss" if "mgf" in group else "pkcs1v15"
    signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
    try:
        key.verify(signature, message, HASHES.get(group.get("sha", "SHA-512"), ""), scheme=scheme)
    except InvalidSignatureError:
        return False
    return True


@pytest.mark.parametrize("file", FILES)
def test_signatures(file: str) -> None:
    """A case that is "acceptable" is one that may be refused: we accept none of them."""
    wrong = []
    count = 0
    for group in groups(file):
        key = key_of(group)
        for test in group["tests"]:
            count += 1
            if accepts(key, group, test) != (test["result"] == "valid"):
                wrong.append((test["tcId"], test["result"], test["comment"], test["flags"]))
    assert wrong == []
    assert count > 30


@pytest.mark.parametrize("file", sorted(OTHERS))
def test_other_kinds_of_signature_are_refused(file: str) -> None:
    for group in groups(file):
        if "pss" in file:
            with pytest.raises(FormatError) as caught:
                key_of(group)
            assert caught.value.reason == "key-unsupported"
        else:
            key, known = key_of(group), {**group, "sha": "SHA-256"}
            assert not any(accepts(key, known, test) for test in group["tests"])

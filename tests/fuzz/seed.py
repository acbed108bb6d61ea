"""Write the seed corpus: ``python -m tests.fuzz.seed``. One file a seed, small, the same each time."""

import json
from base64 import urlsafe_b64encode
from pathlib import Path

from gitsign_py.core.encoding import b64_encode, pem_encode
from gitsign_py.core.git import armor
from gitsign_py.core.pki import cms, der, oids
from gitsign_py.core.tlog.addcheckpoint import AddCheckpoint, format_request
from gitsign_py.core.tlog.logentry import decode_entry, entry_to_protojson, rekor_v1_object
from gitsign_py.core.trust.root import format_trusted_root
from tests.support import tsafactory
from tests.support.forge import COMMIT, forge, v001_body, v002_body
from tests.support.forgedworld import World
from tests.support.witnesskit import LOG, A, B, cosigned

CORPUS = Path(__file__).parent / "corpus"


def seeds() -> dict[str, dict[str, bytes]]:
    """Seeds by target and name."""
    world = World()
    v1 = forge(World(), timestamp={})
    v2 = forge(World(), log="v2", timestamp={})
    tag = forge(World(), kind="tag")
    whole = [armor.dearmor(made.signature) for made in (v1, v2)]
    entries = [_entry(one) for one in whole]
    leaf, token = world.leaf(), world.token(b"hello")
    root = format_trusted_root(v1.root)
    return {
        "fuzz_cms": {"v1": whole[0], "v2": whole[1], "armored": v1.signature},
        "fuzz_gitobject": {"commit": v1.data, "unsigned": COMMIT, "tag": tag.data},
        "fuzz_logentry": {
            "v1": entries[0],
            "v2": entries[1],
            "protojson": json.dumps(entry_to_protojson(decode_entry(entries[0]))).encode(),
            "rekor": json.dumps(rekor_v1_object(world.v1.entry(0))).encode(),
            "body1": v001_body(b"x", b"y", leaf),
            "body2": v002_body(b"x", b"y", leaf),
        },
        "fuzz_checkpoint": {
            "v1": world.v1.checkpoint(),
            "v2": world.v2.checkpoint(),
            "text": world.v1.checkpoint().partition(b"\n\n")[0] + b"\n",
        },
        "fuzz_witness": {
            "policy": f"log {LOG} https://x\n{A.line}\n{B.line}\ngroup g 2 a b\nquorum g\n".encode(),
            "vkey": str(A.key).encode(),
            "request": format_request(AddCheckpoint(1, (bytes(32),), cosigned(A))),
            "answer": cosigned(A, B).partition(b"\n\n")[2],
            "size": b"17\n",
        },
        "fuzz_bundle": {"v03": _bundle(entries[0], leaf.raw, token)},
        "fuzz_sct": {
            "leaf": leaf.raw,
            "ca": world.intermediate.certificate.raw,
            "list": der.parse(leaf.extension(oids.SCT_LIST).value).content,  # type: ignore[union-attr]
            "pem": pem_encode(leaf.raw, "CERTIFICATE"),
        },
        "fuzz_timestamp": {
            "token": token,
            "response": tsafactory.make_response(token),
            "refused": tsafactory.make_response(None, status=2, texts=["no"], failures=["bad_alg"]),
            "info": tsafactory.make_tst_info(b"hello", accuracy={"seconds": 1}, nonce=7),
        },
        "fuzz_trust": {"root": root, "pem": pem_encode(world.root.certificate.raw, "CERTIFICATE")},
        "fuzz_token": {"token": _token()},
    }


def _entry(whole: bytes) -> bytes:
    signer = cms.only_signer(cms.parse_signed_data(whole))
    value = cms.attribute_value(signer.unsigned_attributes, oids.LOG_ENTRY)
    assert value is not None
    return value.content


def _bundle(entry: bytes, leaf: bytes, token: bytes) -> bytes:
    logged = entry_to_protojson(decode_entry(entry)) | {"canonicalizedBody": b64_encode(b"{}")}
    response = b64_encode(tsafactory.make_response(token))
    material = {
        "certificate": {"rawBytes": b64_encode(leaf)},
        "tlogEntries": [logged],
        "timestampVerificationData": {"rfc3161Timestamps": [{"signedTimestamp": response}]},
    }
    message = {"messageDigest": {"algorithm": "SHA2_256", "digest": b64_encode(bytes(32))}, "signature": "AAAA"}
    media_type = "application/vnd.dev.sigstore.bundle.v0.3+json"
    bundle = {"mediaType": media_type, "verificationMaterial": material, "messageSignature": message}
    return json.dumps(bundle).encode()


def _token() -> bytes:
    claims = {"iss": "https://issuer.example.com", "sub": "alice", "aud": "sigstore", "exp": 1780000000, "iat": 1}
    claims |= {"email": "alice@example.com", "email_verified": True, "nonce": "x"}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, claims))
    return b".".join([*(urlsafe_b64encode(part).rstrip(b"=") for part in parts), b"AAAA"])


def main() -> None:
    """Write what is missing; findings that were added by hand stay."""
    for target, files in seeds().items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()

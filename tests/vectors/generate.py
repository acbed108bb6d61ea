"""Write the vectors: ``python -m tests.vectors.generate``. The same bytes come out each time.

One folder a case: ``object`` (the stored bytes of a commit or tag), ``expect.json``, ``origin.txt``, and
``trusted_root.json`` where it is not the common one beside the folders.
"""

import json
import shutil
from pathlib import Path

from gitsign_py.core.tlog.logentry import leaf_hash_of, rekor_v1_object
from gitsign_py.core.trust.root import format_trusted_root
from tests.support.forge import forge
from tests.support.forgedworld import World
from tests.vectors import (
    cases_certificate,
    cases_good,
    cases_log,
    cases_object,
    cases_online,
    cases_proof,
    cases_signature,
    cases_time,
)
from tests.vectors.case import Case

HERE = Path(__file__).parent
MODULES = (
    cases_good,
    cases_object,
    cases_signature,
    cases_certificate,
    cases_log,
    cases_proof,
    cases_online,
    cases_time,
)
CASES: tuple[Case, ...] = tuple(case for module in MODULES for case in module.CASES)
_ROOT = "trusted_root.json"


def files(case: Case) -> dict[str, bytes]:
    """The files of a case's folder, by name."""
    made = case.make(World())
    expect = {
        "kind": made.kind,
        "oid": made.oid,
        "status": case.status,
        "step": case.step,
        "reason": case.reason,
        "expected": dict(case.expected),
        **({"cause": case.cause} if case.cause else {}),
    }
    origin = (
        f"{case.title}\n\nForged by tests/vectors/generate.py (tests/support/forge.py); no real key or log took part.\n"
    )
    written = {
        "object": made.data,
        "expect.json": json.dumps(expect, indent=2).encode() + b"\n",
        "origin.txt": origin.encode(),
    }
    if made.entries is not None:
        answers = [{leaf_hash_of(entry.body).hex(): rekor_v1_object(entry)} for entry in made.entries]
        written["entries.json"] = json.dumps(answers, indent=1).encode() + b"\n"
    root = format_trusted_root(made.root)
    return written if root == common_root() else {**written, _ROOT: root}


def common_root() -> bytes:
    """The trust root of all cases that have none of their own."""
    return format_trusted_root(forge(World()).root)


def main() -> None:
    """Write all folders anew."""
    for old in HERE.iterdir():
        if (old / "expect.json").exists():
            shutil.rmtree(old)
    (HERE / _ROOT).write_bytes(common_root())
    for case in CASES:
        folder = HERE / case.folder
        folder.mkdir()
        for name, data in files(case).items():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()

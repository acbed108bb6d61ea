"""Fuzz log entries: protobuf, JSON and bodies."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz.harness import all_of, instrumented, run

with instrumented():
    from gitsign_py.core.encoding import load_json
    from gitsign_py.core.tlog import logentry


def protobuf(data: bytes) -> None:
    """What is decoded encodes to the same bytes, but for an inclusion promise that is not there."""
    entry = logentry.decode_entry(data)
    written = logentry.encode_entry(entry, with_body=True)
    assert logentry.decode_entry(written) == entry
    assert len(data) in (len(written), len(written) - 2)
    logentry.set_payload(entry)


def protojson(data: bytes) -> None:
    logentry.entry_to_protojson(logentry.entry_from_protojson(load_json(data, max_bytes=1 << 20)))


def rekor(data: bytes) -> None:
    logentry.rekor_v1_object(logentry.entry_from_rekor_v1("0" * 64, load_json(data, max_bytes=1 << 20)))


one_input = all_of(protobuf, protojson, rekor, logentry.parse_hashedrekord, logentry.body_kind)

if __name__ == "__main__":
    run(one_input)

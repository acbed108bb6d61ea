"""Bytes that are surely others than they were."""


def with_other_end(data: bytes) -> bytes:
    """The same bytes but for the last bit. To write a fixed byte instead would change nothing once in 256 times."""
    return data[:-1] + bytes([data[-1] ^ 1])

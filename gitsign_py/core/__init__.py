"""The pure room: bytes, ints and aware datetimes in; frozen dataclasses out. No files, no clock, no network."""

"""The pure room: bytes, ints and aware datetimes in; frozen records out. No files, no clock, no network. Internal."""

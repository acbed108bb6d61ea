"""The whole program as it would be on Windows and macOS, as far as Linux can show it (tests/support/othersystem.py)."""

"""A witness of logs (C2SP tlog-witness), and the local Rekor v2's way to ask some."""

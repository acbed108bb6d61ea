"""The formats that bring certificate, log and trust root together: bundles, timestamps, PEM trust, identity tokens."""

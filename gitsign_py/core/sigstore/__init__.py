"""What brings certificate, log and trust root together: bundles, timestamps, PEM trust, identity tokens."""

"""Programs that are not ours, against the local stack and against what we make; each test skips without its program."""

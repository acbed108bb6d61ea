"""How many random or single-bit cases a test tries: all by GITSIGN_TEST_THOROUGH=1, as in .ci/run, else a part."""

import os

THOROUGH = os.environ.get("GITSIGN_TEST_THOROUGH") == "1"

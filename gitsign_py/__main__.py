"""``python -m gitsign_py`` is the program ``gitsign-py``."""

import sys

from gitsign_py.cli import main

sys.exit(main())

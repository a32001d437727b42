"""``python -m evi_harness``: the same as the ``evi-harness`` command."""

from __future__ import annotations

import sys

from evi_harness.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

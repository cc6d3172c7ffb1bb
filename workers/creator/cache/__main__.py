"""`python -m workers.creator.cache`."""

from __future__ import annotations

import sys

from workers.creator.cache.cli import main

if __name__ == "__main__":
    sys.exit(main())

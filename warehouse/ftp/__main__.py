"""`python -m warehouse.ftp`: the warehouse's FTP server, configured by `WAREHOUSE_*` variables."""

from __future__ import annotations

import os
import sys

from warehouse.ftp import log
from warehouse.ftp.config import ConfigError, load
from warehouse.ftp.layout import RootBusy
from warehouse.ftp.server import serve


def main() -> int:
    """Exit codes: 0 stopped, 1 broken, 2 wrong configuration."""
    log.configure()
    try:
        return serve(load(os.environ))
    except (ConfigError, RootBusy) as error:
        sys.stderr.write(f"warehouse.ftp: {error}\n")
        return 2
    except Exception:
        log.logger(step="stop").critical("the warehouse broke", exc_info=sys.exc_info())
        raise


if __name__ == "__main__":
    sys.exit(main())

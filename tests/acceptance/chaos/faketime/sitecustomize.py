"""Found on PYTHONPATH by processes under libfaketime 0.9.10, whose `clock_nanosleep` refuses what
`time.sleep` of Python 3.11 asks for (EINVAL). Also each process shall have a clock of its own."""

import os
import select
import time

if hasattr(select, "select") and os.environ.get("FAKETIME_TIMESTAMP_FILE"):

    def _sleep(seconds: float) -> None:
        select.select((), (), (), seconds)

    time.sleep = _sleep
    os.environ.pop("FAKETIME_SHARED", None)

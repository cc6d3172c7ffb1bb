"""Opens the cache of a host, by the policy that its operator wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workers.creator.cache.policy import NAME, read_policy
from workers.creator.cache.store import Cache
from workers.report import Report

VARIABLE: Final = "IMAGER_CACHE_POLICY"


def policy_path(root: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """The file that the environment names, else `policy.yaml` in the cache itself."""
    return Path(environ.get(VARIABLE) or root / NAME)


def open_cache(root: Path, report: Report) -> Cache:
    """HostError `bad_policy` if the policy cannot be used."""
    return Cache(root, read_policy(policy_path(root)), report)

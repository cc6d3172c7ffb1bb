"""The one moment that images know, so that the same recipe gives the same bytes on any day."""

from typing import Final

EPOCH: Final = 1_704_067_200  # 2024-01-01 00:00 UTC

"""Why a feed is not taken."""

from __future__ import annotations


class FeedFault(Exception):
    """The feed as a whole is of no use now; nothing of it is taken. A sentence's end."""

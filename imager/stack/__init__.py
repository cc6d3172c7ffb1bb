"""The whole line on one machine: every process that production has, with its own account and environment."""

from imager.stack.line import Line, start

__all__ = ["Line", "start"]

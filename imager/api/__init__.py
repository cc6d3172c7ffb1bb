"""What every API of ours shares: pages with a bound, problems, limits, and how it is described."""

from __future__ import annotations

from imager.api.pages import Pages
from imager.api.problems import Problem, problem
from imager.api.scheme import TokenScheme

__all__ = ["Pages", "Problem", "TokenScheme", "problem"]

"""Errors of the simulator."""

from cvops.errors import CvopsError


class ScenarioError(CvopsError):
    """A scenario says something that makes no sense."""


class ScoreError(CvopsError):
    """Truth or predictions cannot be read or compared."""

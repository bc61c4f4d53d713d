"""Durations as people write them."""

import re
from datetime import timedelta

import click

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def ago(text: str) -> timedelta:
    """The duration that "90s", "15m", "6h" or "7d" means; wrong use of the command otherwise."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration: expected e.g. 90s, 15m, 6h or 7d", param_hint="--since")
    return timedelta(seconds=int(match[1]) * _UNITS_S[match[2]])

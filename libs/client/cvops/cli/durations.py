"""Durations and moments as people write them."""

import re
from datetime import UTC, datetime, timedelta

import click

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def ago(text: str) -> timedelta:
    """The duration that "90s", "15m", "6h" or "7d" means; wrong use of the command otherwise."""
    match = re.fullmatch(r"(\d{1,9})([smhd])", text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration: expected e.g. 90s, 15m, 6h or 7d", param_hint="--since")
    return timedelta(seconds=int(match[1]) * _UNITS_S[match[2]])


def moment(text: str, now: datetime) -> datetime:
    """When: "14:03" is the last one (UTC), "2026-05-01T14:03" that one, "2h" two hours ago.

    Args:
        text: as people write it.
        now: aware UTC.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,9}[smhd]", text):
        return now - ago(text)
    try:
        if (clock := re.fullmatch(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", text)) is not None:
            hour, minute, second = (int(part or 0) for part in clock.groups())
            today = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return today if today <= now else today - timedelta(days=1)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time: expected e.g. 14:03, 2026-05-01T14:03 or 2h", param_hint="--at"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)

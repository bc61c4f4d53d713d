"""What an answer of a receiver means, and how long to wait after it. Pure."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

_MOST_TEXT = 200
_MOST_RETRY_AFTER_S = 3600.0
_TRY_AGAIN = frozenset({408, 425, 429})


class Outcome(StrEnum):
    """What became of an attempt.

    Attributes:
        SENT: the receiver has it.
        AGAIN: it may work later.
        REFUSED: it will never work as it is.
    """

    SENT = "sent"
    AGAIN = "again"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one attempt.

    Attributes:
        outcome: what it means.
        text: for people, without secrets.
        retry_after_s: what the receiver asked for, s; None: nothing.
        holds_route: the receiver wants nothing at all for that time.
        in_doubt: the message may have arrived all the same.
    """

    outcome: Outcome
    text: str
    retry_after_s: float | None = None
    holds_route: bool = False
    in_doubt: bool = False


def judge(status: int, headers: Mapping[str, str], text: str, now: datetime) -> Answer:
    """What an HTTP answer means.

    Args:
        status: its code.
        headers: its headers, names in lower case.
        text: the begin of its body, without secrets.
        now: aware, for dates in Retry-After.
    """
    said = f"{status} {' '.join(text.split())}"[:_MOST_TEXT].strip()
    if 200 <= status < 300:
        return Answer(Outcome.SENT, said)
    wait_s = _retry_after_s(headers.get("retry-after", ""), now)
    if status in _TRY_AGAIN or status >= 500:
        return Answer(Outcome.AGAIN, said, wait_s, holds_route=status == 429)
    return Answer(Outcome.REFUSED, said)


def pause_s(attempts: int, first_s: float, longest_s: float, rng: random.Random) -> float:
    """The pause after so many failed attempts: doubling, with jitter of plus or minus a third."""
    return float(min(first_s * 2.0 ** min(attempts - 1, 30), longest_s) * rng.uniform(2 / 3, 4 / 3))


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret replaced by ***."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, "***")
    return text


def _retry_after_s(value: str, now: datetime) -> float | None:
    """Seconds, or a date, as RFC 9110 allows both; None when it makes no sense."""
    try:
        wait_s = float(value) if value.strip().isdigit() else (parsedate_to_datetime(value) - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait_s, 0.0), _MOST_RETRY_AFTER_S)

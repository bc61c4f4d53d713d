"""Markdown tables and percentiles."""

from collections.abc import Sequence

import numpy as np


def markdown(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table with a title."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join([f"### {title}", "", *lines, ""])


def ms(seconds: Sequence[float], percentile: float) -> str:
    """A percentile of durations, in milliseconds."""
    return f"{1e3 * float(np.percentile(seconds, percentile)):.0f}"

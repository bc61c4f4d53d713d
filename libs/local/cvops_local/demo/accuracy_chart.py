"""The accuracy over time as an SVG picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 1040, 260
_CHANGED, _OTHERS, _EXPECTED = "#c2410c", "#0b6bcb", "#9aa7b4"


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment (s since the epoch): true mAP50 of the changed cameras and of the others, and what is expected.

    Attributes:
        at_s: when.
        changed: true mAP50 of the cameras that change.
        others: of the rest.
        expected: expected finds a frame of the cameras that change, without labels.
    """

    at_s: float
    changed: float
    others: float
    expected: float


def chart(samples: Sequence[Sample], marks: Sequence[tuple[float, str]]) -> str:
    """A section of a page: both accuracies, the label-free estimate in proportion, and what happened when.

    Args:
        samples: in order of time; fewer than two give nothing.
        marks: moments (s since the epoch) with their names.
    """
    if len(samples) < 2:
        return ""
    begin, end = samples[0].at_s, samples[-1].at_s
    most = max(each.expected for each in samples) or 1.0

    def x(at_s: float) -> float:
        return _WIDTH * (at_s - begin) / max(end - begin, 1e-9)

    def line(values: Sequence[float], colour: str, dash: str = "") -> str:
        points = " ".join(
            f"{x(each.at_s):.1f},{_HEIGHT * (1 - value):.1f}"
            for each, value in zip(samples, values, strict=True)
            if value == value
        )
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'

    lines = [
        line([each.expected / most for each in samples], _EXPECTED, "4 4"),
        line([each.others for each in samples], _OTHERS),
        line([each.changed for each in samples], _CHANGED),
    ]
    for row, (at_s, name) in enumerate(mark for mark in marks if begin <= mark[0] <= end):
        lines.append(
            f'<line x1="{x(at_s):.1f}" x2="{x(at_s):.1f}" y1="0" y2="{_HEIGHT}" stroke="#dde3ea"/>'
            f'<text x="{x(at_s) + 4:.1f}" y="{14 + 14 * (row % 4)}" font-size="12" fill="#526170">{escape(name)}</text>'
        )
    key = "".join(
        f'<span style="color:{colour}">&#9632;</span> {name} '
        for colour, name in (
            (_CHANGED, "true mAP50 of the cameras that change"),
            (_OTHERS, "of the others"),
            (_EXPECTED, f"expected finds a frame, without labels (top: {most:.1f})"),
        )
    )
    return (
        f"<h2>Accuracy</h2><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' width='100%'>{''.join(lines)}</svg>"
        f"<p>From 0 to 1 over {end - begin:.0f} s. {key}</p>"
    )

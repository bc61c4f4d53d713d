"""An episode as one self-contained HTML page, and how long its parts took."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from cvops.report_style import STYLE
from cvops_protos.v1.alerting_pb2 import Episode

_MILESTONES = (
    ("detection", "alarm"),
    ("frames_chosen", "selection"),
    ("labels", "dataset"),
    ("model", "gates"),
    ("canary", "canary"),
    ("champion", "champion"),
    ("recovery", "confirmed"),
)
_COLOURS = {
    "alarm": "#b3261e",
    "opened": "#526170",
    "selection": "#0b6bcb",
    "label": "#0b6bcb",
    "dataset": "#0b6bcb",
    "run": "#7e22ce",
    "gates": "#7e22ce",
    "shadow": "#a16207",
    "canary": "#a16207",
    "champion": "#15803d",
    "confirmed": "#15803d",
    "rolled_back": "#b3261e",
}
_WIDTH, _LANE = 1040, 26


def timings(episode: Episode) -> dict[str, float]:
    """Seconds from the estimated change to each milestone that was reached, by name."""
    begin = episode.since.ToNanoseconds()
    found: dict[str, float] = {}
    for name, what in _MILESTONES:
        at = next((step.at.ToNanoseconds() for step in episode.steps if step.what == what), None)
        if at is not None:
            found[name] = (at - begin) / 1e9
    return found


def page_of(episode: Episode, now: datetime, extra: Sequence[str] = ()) -> str:
    """The page; `now` is when it was made, aware; `extra`: further sections, as HTML."""
    state = Episode.State.Name(episode.state).removeprefix("STATE_").lower().replace("_", " ")
    parts = [
        f"<h1>Episode {escape(episode.episode_id[:8])}: {state}</h1>",
        f"<p>{escape(episode.text)}</p>",
        f"<p>Made {now:%Y-%m-%d %H:%M} UTC. Project {escape(episode.project)}.</p>",
        _facts(episode),
        _time_line(episode),
        *extra,
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>episode {escape(episode.episode_id[:8])}</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _facts(episode: Episode) -> str:
    rows = [("cameras", ", ".join(episode.cameras))]
    rows += [("left out", line) for line in episode.left_out]
    if episode.model_after:
        rows.append(("model", f"{episode.model_before} -> {episode.model_after}"))
    if episode.HasField("map50_after"):
        rows.append(
            ("mAP50, held-out new labels", f"{episode.map50_before:.2f} -> {episode.map50_after:.2f}"),
        )
    rows.append(("labels", f"{episode.labels}, {episode.label_seconds:.0f} s of people's time"))
    rows.append(("training", f"{episode.train_cpu_s:.0f} CPU-s"))
    rows += [(f"change to {name.replace('_', ' ')}", f"{value:.0f} s") for name, value in timings(episode).items()]
    cells = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in rows)
    return f"<h2>In short</h2><table>{cells}</table>"


def _time_line(episode: Episode) -> str:
    if not episode.steps:
        return ""
    begin = episode.since.ToNanoseconds()
    last = max(step.at.ToNanoseconds() for step in episode.steps)
    span = max(last - begin, 1)
    lanes = list(dict.fromkeys(step.what for step in episode.steps))
    marks, rows = [], []
    for lane, what in enumerate(lanes):
        y = _LANE * lane + 16
        marks.append(f'<text x="0" y="{y + 4}" font-size="12" fill="#526170">{escape(what.replace("_", " "))}</text>')
        marks.append(f'<line x1="100" x2="{_WIDTH}" y1="{y}" y2="{y}" stroke="#eef1f5"/>')
    for step in episode.steps:
        after = step.at.ToNanoseconds() - begin
        x = 100 + (_WIDTH - 110) * max(after, 0) / span
        y = _LANE * lanes.index(step.what) + 16
        colour = _COLOURS.get(step.what, "#526170")
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y}" r="6" fill="{colour}"><title>{after / 1e9:+.0f} s: '
            f"{escape(step.text)}</title></circle>"
        )
        rows.append(
            f"<tr><td>{step.at.ToDatetime():%H:%M:%S}<td>{after / 1e9:+.0f} s"
            f'<td style="color:{colour}">{escape(step.what.replace("_", " "))}<td>{escape(step.text)}'
        )
    height = _LANE * len(lanes) + 24
    scale = (
        f'<text x="100" y="{height - 2}" font-size="12" fill="#526170">the change</text>'
        f'<text x="{_WIDTH}" y="{height - 2}" font-size="12" text-anchor="end" fill="#526170">'
        f"{span / 1e9:.0f} s later</text>"
    )
    return (
        f"<h2>Time line</h2><svg viewBox='0 0 {_WIDTH} {height}' width='100%'>{''.join(marks)}{scale}</svg>"
        f"<table><tr><th>at (UTC)<th>after<th>what<th>{''.join(rows)}</table>"
    )

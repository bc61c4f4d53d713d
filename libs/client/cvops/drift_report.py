"""A drift report as one self-contained HTML page: pictures where one would rather look than read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from cvops.domain_lines import domain_lines
from cvops.frame_pictures import figure, source_of
from cvops.report_style import STYLE
from cvops_protos.v1.drift_pb2 import DriftEvent, DriftReport, EvidencePoint, Exemplar, Histogram

_NOW, _BEFORE, _LIMIT = "#0b6bcb", "#9aa7b4", "#b3261e"
_WIDTH, _HEIGHT = 1040, 260
_LINES = 6
_MOST_EXEMPLARS = 40
_COLOURS = ("#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#0e7490")


def exemplars_of(report: DriftReport) -> list[str]:
    """Frames that show what the newest events mean, by id; at most 40."""
    found = dict.fromkeys(each.frame_id for event in reversed(report.events) for each in event.exemplars)
    return list(found)[:_MOST_EXEMPLARS]


def page_of(report: DriftReport, now: datetime, images: Mapping[str, bytes] | None = None) -> str:
    """The page; `now` is when it was made, aware; `images`: of exemplars, by the id of their frame."""
    status = report.status
    alarms = [signal for model in status.models for signal in model.alarms]
    verdict = f"{len(alarms) + len(status.faults)} open" if alarms or status.faults else "quiet"
    parts = [
        f"<h1>{escape(status.camera_id)}: {verdict}</h1>",
        f"<p>Made {now:%Y-%m-%d %H:%M} UTC. {_promise(report)}</p>",
        _models(report),
        _events(report.events, images or {}),
        _evidence(report.evidence),
        _histograms(report),
        _views(report),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>drift of {escape(status.camera_id)}</title>'
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _promise(report: DriftReport) -> str:
    return f"Thresholds stand for one false alarm in {report.false_alarm_days:g} days per camera and model."


def _models(report: DriftReport) -> str:
    rows = "".join(
        f"<tr><td>{escape(model.model.name)}:{escape(model.model.version)}<td>{escape(model.regime)}"
        f"<td>{escape(model.stage)}<td>{model.frames}<td>{escape(', '.join(model.alarms)) or 'none'}"
        for model in report.status.models
    )
    domains = "".join(f"<li>{escape(line)}" for line in domain_lines(report.status))
    faults = "".join(f"<li>{escape(fault)}" for fault in report.status.faults)
    problems = "".join(f"<li>{escape(problem)}" for problem in report.status.problems)
    return (
        "<h2>Now</h2><table><tr><th>model<th>light<th>reference<th>frames<th>open alarms"
        + rows
        + "</table>"
        + (f"<ul>{domains}</ul>" if domains else "")
        + f"<p>Camera: {escape(report.status.health)}</p>"
        + (f"<ul>{faults}</ul>" if faults else "")
        + (f"<p>Could not be used:</p><ul>{problems}</ul>" if problems else "")
    )


def _events(events: Sequence[DriftEvent], images: Mapping[str, bytes]) -> str:
    if not events:
        return "<h2>Events</h2><p>None.</p>"
    rows = []
    for event in reversed(events):
        severity = DriftEvent.Severity.Name(event.severity).removeprefix("SEVERITY_").lower()
        kind = DriftEvent.Kind.Name(event.kind).removeprefix("KIND_").lower()
        state = DriftEvent.State.Name(event.state).removeprefix("STATE_").lower()
        why = "".join(f"<li>{escape(line)}" for line in [*event.why, *event.coincides, *_numbers(event)])
        frames = "".join(_exemplar(each, images.get(each.frame_id)) for each in event.exemplars)
        rows.append(
            f"<tr><td>{event.at.ToDatetime():%m-%d %H:%M:%S}<td>{kind}<td class={severity}>{severity}<td>{state}"
            f"<td><details><summary>{escape(event.text)}</summary><ul>{why}</ul>"
            + (f"<div class=grid>{frames}</div>" if frames else "")
            + "</details>"
        )
    head = "<tr><th>at (UTC)<th>kind<th>severity<th>state<th>what"
    return f"<h2>Events</h2><table>{head}{''.join(rows)}</table>"


def _exemplar(exemplar: Exemplar, image: bytes | None) -> str:
    caption = f"{exemplar.role}: {exemplar.frame_id}"
    return (image and figure(image, caption)) or f"<small>{escape(caption)}</small>"


def _numbers(event: DriftEvent) -> list[str]:
    evidence, lines = event.evidence, []
    lines.append(f"evidence: {evidence.statistic} at {evidence.ratio:.2f} of its threshold (peak {evidence.peak:.2f})")
    if evidence.HasField("ks"):
        lines.append(f"KS distance {evidence.ks:.2f} (p {evidence.ks_p_value:.2g}, a guide: frames are correlated)")
    if evidence.HasField("psi"):
        lines.append(f"PSI {evidence.psi:.2f}; without change 5 % of windows exceed {evidence.psi_threshold:.2f}")
    if event.HasField("harm"):
        harm = event.harm
        lines.append(
            f"estimated share of right predictions {harm.before:.0%} -> {harm.now:.0%} "
            f"(loss {harm.low:+.0%} to {harm.high:+.0%}, trust {harm.trust})"
        )
    return lines


def _evidence(points: Sequence[EvidencePoint]) -> str:
    if len(points) < 2:
        return ""
    peaks: dict[str, float] = {}
    for point in points:
        for signal, ratio in point.ratios.items():
            peaks[signal] = max(peaks.get(signal, 0.0), ratio)
    strongest = sorted(peaks, key=lambda signal: -peaks[signal])[:_LINES]
    begin, end = (points[i].at.ToNanoseconds() for i in (0, -1))
    top = max(1.3, *(min(peaks[signal], 5.0) for signal in strongest))

    def x(point: EvidencePoint) -> float:
        return _WIDTH * (point.at.ToNanoseconds() - begin) / max(end - begin, 1)

    def y(ratio: float) -> float:
        return _HEIGHT * (1 - min(ratio, top) / top)

    lines = []
    for signal, colour in zip(strongest, _COLOURS, strict=False):
        path = " ".join(f"{x(point):.1f},{y(point.ratios.get(signal, 0.0)):.1f}" for point in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    legend = " ".join(
        f'<span style="color:{colour}">&#9632;</span> {escape(signal)}'
        for signal, colour in zip(strongest, _COLOURS, strict=False)
    )
    limit = f'<line x1="0" x2="{_WIDTH}" y1="{y(1):.1f}" y2="{y(1):.1f}" stroke="{_LIMIT}" stroke-dasharray="5 4"/>'
    first, last = (points[i].at.ToDatetime() for i in (0, -1))
    return (
        f"<h2>Evidence over time</h2><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' width='100%'>{limit}{''.join(lines)}</svg>"
        f"<p>{first:%m-%d %H:%M} to {last:%m-%d %H:%M} UTC; the dashed line is the threshold. {legend}</p>"
    )


def _histograms(report: DriftReport) -> str:
    if not report.histograms:
        return ""
    figures = "".join(
        f"<figure>{_bars(report.histograms[signal])}<figcaption>{escape(signal)}</figcaption></figure>"
        for signal in sorted(report.histograms)
    )
    key = f'<span style="color:{_BEFORE}">&#9632;</span> reference <span style="color:{_NOW}">&#9632;</span> now'
    head = f"<h2>Reference against now</h2><p>{key}; bins are quantiles of the reference.</p>"
    return f"{head}<div class=grid>{figures}</div>"


def _bars(histogram: Histogram) -> str:
    n = max(len(histogram.reference), 1)
    top = max([*histogram.reference, *histogram.now, 1e-9])
    step, bars = 240 / n, []
    for i, pair in enumerate(zip(histogram.reference, histogram.now, strict=True)):
        for j, (share, colour) in enumerate(zip(pair, (_BEFORE, _NOW), strict=True)):
            height = 90 * share / top
            left = i * step + j * step * 0.42
            bars.append(
                f'<rect x="{left:.1f}" y="{100 - height:.1f}" width="{step * 0.4:.1f}" height="{height:.1f}" '
                f'fill="{colour}"/>'
            )
    return f"<svg viewBox='0 0 240 100' width='240' height='100'>{''.join(bars)}</svg>"


def _views(report: DriftReport) -> str:
    if not report.reference_view or not report.present_view:
        return ""
    reference, present = source_of(report.reference_view), source_of(report.present_view)
    return (
        "<h2>The view</h2><div class=grid>"
        f"<figure><img src='{reference}' width=320 alt=reference><figcaption>reference</figcaption></figure>"
        f"<figure><img src='{present}' width=320 alt=now><figcaption>now</figcaption></figure>"
        f"<figure><div class=views><img src='{reference}' alt=''><img src='{present}' alt=''></div>"
        "<figcaption>both, one over the other</figcaption></figure></div>"
    )

"""What an import understood, for people and for programs."""

import json
from typing import Any

from rich.table import Table

from cvops_bundles.parity import ParityReport
from cvops_bundles.spec import BundleSpec
from cvops_bundles.spec_json import spec_to_json


def summary_table(spec: BundleSpec, report: ParityReport) -> Table:
    """One row a fact, two columns."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _rows(spec, report):
        table.add_row(name, value)
    return table


def summary_json(spec: BundleSpec, report: ParityReport) -> dict[str, Any]:
    """`bundle.json` and the proof."""
    checks = [{"output": c.output, "worst": c.worst, "tolerance": c.tolerance} for c in report.checks]
    return {"spec": json.loads(spec_to_json(spec)), "parity": {"passed": report.passed, "checks": checks}}


def _rows(spec: BundleSpec, report: ParityReport) -> list[tuple[str, str]]:
    source, resize = spec.source, spec.input.resize
    shown = ", ".join(spec.classes[:5]) + (", ..." if len(spec.classes) > 5 else "")
    rows = [
        ("model", f"{spec.name} ({spec.task}, from {source.format})"),
        ("source", f"{source.producer or 'unknown producer'}, opset {source.opset}, sha256 {source.sha256[:12]}"),
        ("classes", f"{len(spec.classes)}: {shown}"),
        ("network input", f"{spec.input.width}x{spec.input.height} px, {source.preprocessing.get('input', '')}"),
        ("resize", _resize_words(spec)),
        ("pixels", ", ".join(f"{k} {source.preprocessing[k]}" for k in ("channels", "scale", "mean", "std"))),
    ]
    heads = {k.removeprefix("head_"): v for k, v in source.preprocessing.items() if k.startswith("head_")}
    rows += heads.items()
    rows.append(("batch", "any number of images" if spec.max_batch is None else f"at most {spec.max_batch} image(s)"))
    if spec.detection is not None:
        kind = "per class" if spec.detection.class_aware else "over all classes"
        defaults = f"score {spec.detection.score_threshold:g}, IoU {spec.detection.iou_threshold:g} {kind}"
        rows.append(("defaults", f"{defaults}, {spec.detection.max_candidates} candidates"))
    rows += [("embedding", _embedding_words(spec)), ("proof", report.sentence())]
    if spec.note:
        rows.append(("note", spec.note))
    if resize.interpolation == "linear" and max(spec.input.network_wh) <= 256:
        rows.append(("hint", "large images shrunk linearly to a small input alias: --interpolation antialiased"))
    return rows


def _resize_words(spec: BundleSpec) -> str:
    resize = spec.input.resize
    words = f"{resize.rule}, {resize.interpolation}"
    if resize.rule.value.startswith("letterbox"):
        words += f", padded with {resize.pad_value}"
    return words + (f", short side {resize.short_side_px} px" if resize.short_side_px else "")


def _embedding_words(spec: BundleSpec) -> str:
    embedding = spec.embedding
    if embedding is None:
        return "none: changes of the images cannot be seen in the model's features (choose a tensor with --embedding)"
    projected = f", projected from {embedding.projected_from}" if embedding.projected_from else ""
    return f"{embedding.dim} values, mean of tensor {embedding.tensor!r}{projected}"

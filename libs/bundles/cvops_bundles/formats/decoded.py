"""Detectors whose graph decodes its boxes itself: boxes with scores and perhaps labels, or rows of six numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from cvops_bundles.candidates import Candidates, append_best, best_class
from cvops_bundles.graph import GraphBuilder
from cvops_bundles.onnx_file import inner_name
from cvops_bundles.options import Activation, BoxFormat, BoxUnits, ImportOptions
from cvops_bundles.probe import ProbedOutput, words_of
from cvops_bundles.signature import ModelInput
from cvops_common.errors import BadBundle


@dataclass(frozen=True, slots=True)
class DecodedHead:
    """The outputs of a decoding detector that were understood.

    Attributes:
        boxes: name of the output with the boxes, or of the one with rows of box, score, class.
        scores: name; with `class_scores` (N, A, C), else (N, A). None: in the rows.
        labels: name. None: in the rows, by the best of the class scores, or always class 0.
        class_scores: whether `scores` has one column per class.
        has_batch: whether the outputs have a batch dimension.
        sigmoid: whether scores are logits.
        box_format: see `ImportOptions`; `box_units` alike.
        size_wh: of the network input in px.
        max_candidates: K.
        padded: there may be fewer candidates than K.
    """

    boxes: str
    scores: str | None
    labels: str | None
    class_scores: bool
    has_batch: bool
    sigmoid: bool
    box_format: BoxFormat
    box_units: BoxUnits
    size_wh: tuple[int, int]
    max_candidates: int
    padded: bool

    def append(self, builder: GraphBuilder) -> None:
        """Adds the nodes from the outputs to `boxes`, `scores`, `class_ids`."""
        boxes = self._batched(builder, self.boxes)
        if self.scores is None:
            scores = builder.op("Squeeze", builder.slice(boxes, 2, 4, 5), builder.ints(2))
            class_ids = builder.op("Squeeze", builder.slice(boxes, 2, 5, 6), builder.ints(2))
            boxes = builder.slice(boxes, 2, 0, 4)
        else:
            scores = self._batched(builder, self.scores)
            if self.class_scores:
                scores, class_ids = best_class(builder, scores)
            elif self.labels is not None:
                class_ids = self._batched(builder, self.labels)
            else:
                class_ids = builder.op("Mul", scores, builder.floats(0.0))
        if self.sigmoid:
            scores = builder.op("Sigmoid", scores)
        candidates = Candidates(self._corners(builder, boxes), scores, class_ids)
        append_best(builder, candidates, self.max_candidates, self.padded)

    def words(self) -> dict[str, str]:
        """What was understood, for people."""
        return {
            "boxes": f"{self.boxes} ({self.box_format}, {self.box_units})",
            "scores": f"{self.scores or 'column 5 of the rows'}{' per class' if self.class_scores else ''}",
            "labels": self._label_words(),
            "activation": "sigmoid" if self.sigmoid else "none",
        }

    def _label_words(self) -> str:
        if self.class_scores:
            return "best class of the scores"
        return self.labels or ("class 0" if self.scores else "column 6 of the rows")

    def _batched(self, builder: GraphBuilder, name: str) -> str:
        tensor = builder.cast(inner_name(name), TensorProto.FLOAT)
        return tensor if self.has_batch else builder.op("Unsqueeze", tensor, builder.ints(0))

    def _corners(self, builder: GraphBuilder, boxes: str) -> str:
        if self.box_format is not BoxFormat.XYXY:
            at, size = builder.slice(boxes, 2, 0, 2), builder.slice(boxes, 2, 2, 4)
            if self.box_format is BoxFormat.CXCYWH:
                at = builder.op("Sub", at, builder.op("Mul", size, builder.floats(0.5)))
            boxes = builder.op("Concat", at, builder.op("Add", at, size), axis=2)
        if self.box_units is BoxUnits.NORMALISED:
            boxes = builder.op("Mul", boxes, builder.floats([*self.size_wh, *self.size_wh], (4,)))
        return boxes


def understand_decoded(outputs: Sequence[ProbedOutput], source: ModelInput, options: ImportOptions) -> DecodedHead:
    """Finds boxes, scores and labels among the outputs by shape, type and name.

    Raises:
        BadBundle: they are not there, or their values do not fit the options.
    """
    rank = max((len(output.shape) for output in outputs), default=0)
    has_batch = rank == 3
    rows = [o for o in outputs if len(o.shape) == 2 + has_batch and o.shape[-1] == 6]
    boxes = [o for o in outputs if len(o.shape) == 2 + has_batch and o.shape[-1] == 4]
    if len(outputs) == 1 and rows:
        return _head(rows[0], None, None, has_batch, source, options)
    rest = [o for o in outputs if o not in boxes[:1]]
    if len(boxes) > 1 and len(options.classes) != 4:
        boxes = []
    scores = [o for o in rest if not _is_labels(o) and _fits(o, boxes, has_batch, len(options.classes))]
    labels = [o for o in rest if _is_labels(o) and len(o.shape) == 1 + has_batch]
    if not boxes or not scores:
        raise BadBundle(
            "decoded: expected boxes [N, K, 4] with scores [N, K] and perhaps labels [N, K], or scores "
            f"[N, K, {len(options.classes)}], or rows [N, K, 6], found {words_of(outputs)}; "
            "give one label per class, and export the model with such outputs"
        )
    return _head(boxes[0], scores[0], labels[0] if labels else None, has_batch, source, options)


def _is_labels(output: ProbedOutput) -> bool:
    return output.is_integer or any(word in output.name.lower() for word in ("label", "class_id", "classes"))


def _fits(output: ProbedOutput, boxes: list[ProbedOutput], has_batch: bool, classes: int) -> bool:
    if not boxes or output.shape[: 1 + has_batch] != boxes[0].shape[: 1 + has_batch]:
        return False
    return len(output.shape) == 1 + has_batch or output.shape[1 + has_batch :] == (classes,)


def _head(
    boxes: ProbedOutput,
    scores: ProbedOutput | None,
    labels: ProbedOutput | None,
    has_batch: bool,
    source: ModelInput,
    options: ImportOptions,
) -> DecodedHead:
    class_scores = scores is not None and len(scores.shape) == 2 + has_batch
    if not class_scores and scores is not None and labels is None and len(options.classes) > 1:
        raise BadBundle(f"decoded: {scores.words()} has no class, no output holds labels, but there are several labels")
    sigmoid = options.activation is Activation.SIGMOID
    if options.activation is Activation.SOFTMAX:
        raise BadBundle("decoded: softmax is not supported; use auto, sigmoid or none")
    values = np.concatenate([(v[..., 4] if scores is None else v).ravel() for v in (scores or boxes).values])
    if not sigmoid and values.size and not (values.min() >= 0 and values.max() <= 1.001):
        raise BadBundle(
            f"decoded: scores must lie in 0..1, found {values.min():.3g}..{values.max():.3g}; "
            "if they are logits, use --activation sigmoid"
        )
    ids = labels.values if labels else tuple(v[..., 5] for v in boxes.values) if scores is None else ()
    if any(v.size and (v.min() < 0 or v.max() >= len(options.classes)) for v in ids):
        found = max(int(v.max()) for v in ids if v.size)
        raise BadBundle(f"decoded: found class {found} with {len(options.classes)} labels; give one label per class")
    _check_units(boxes, options, source)
    declared = boxes.declared
    count = declared[-2] if declared and len(declared) == len(boxes.shape) else None
    return DecodedHead(
        boxes=boxes.name,
        scores=scores.name if scores else None,
        labels=labels.name if labels else None,
        class_scores=class_scores,
        has_batch=has_batch,
        sigmoid=sigmoid,
        box_format=options.box_format,
        box_units=options.box_units,
        size_wh=(source.width, source.height),
        max_candidates=min(options.max_candidates, count) if count else options.max_candidates,
        padded=count is None,
    )


def _check_units(boxes: ProbedOutput, options: ImportOptions, source: ModelInput) -> None:
    values = np.concatenate([np.abs(v[..., :4]).ravel() for v in boxes.values])
    typical = float(np.percentile(values, 95)) if values.size else 0.0
    if options.box_units is BoxUnits.PX and 0 < typical <= 2:
        raise BadBundle(
            f"decoded: coordinates of {boxes.name} hardly exceed {typical:.3g}, which is not px of an input of "
            f"{source.width}x{source.height}; use --box-units normalised"
        )
    if options.box_units is BoxUnits.NORMALISED and typical > 8:
        raise BadBundle(f"decoded: coordinates of {boxes.name} reach {typical:.3g}, not 0..1; use --box-units px")

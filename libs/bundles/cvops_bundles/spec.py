"""What `bundle.json` says: all that a server needs to know of a model before it loads it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from cvops_common.errors import BadArgument, BadBundle
from cvops_common.ids import check_name
from cvops_vision.letterbox import Resize

FORMAT_VERSION: Final = 1
"""Version of the layout of a bundle that this code writes and reads."""

IMAGE_INPUT: Final = "image"
"""The graph's only input: uint8 (N, H, W, 3), RGB, upright."""

_MAX_CLASSES: Final = 1 << 16
"""A class id is a uint16 in an event."""


class Task(StrEnum):
    """What a model answers."""

    DETECT = "detect"
    """Boxes with scores and classes."""
    CLASSIFY = "classify"
    """One probability per class for the whole image."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The size of the network input in px, and how an image is brought to it."""

    height: int
    width: int
    resize: Resize

    @property
    def network_wh(self) -> tuple[int, int]:
        """Width and height in px."""
        return self.width, self.height


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output of the graph; `shape` leaves the batch dimension out."""

    name: str
    dtype: Literal["float32", "int32"]
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DetectionSpec:
    """How candidates become detections, unless the caller wishes otherwise.

    Attributes:
        score_threshold: candidates below it are dropped, 0..1.
        iou_threshold: of two boxes that overlap by more, the better one stays, 0..1.
        class_aware: only boxes of the same class suppress each other.
        max_candidates: K, the candidates that the graph gives per image before suppression.
    """

    score_threshold: float
    iou_threshold: float
    class_aware: bool
    max_candidates: int


@dataclass(frozen=True, slots=True)
class EmbeddingSpec:
    """Where the output `embedding`, float32 (N, dim), comes from.

    Attributes:
        dim: its width.
        tensor: name, in the original model, of the features that are averaged over the image.
        projected_from: width before a fixed orthonormal projection. None: not projected.
    """

    dim: int
    tensor: str
    projected_from: int | None = None


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far a server's outputs may be from the recorded ones when it proves itself.

    Attributes:
        boxes_px: largest error of a coordinate, in px of the network input, for a box as large as that input.
        score: largest absolute error of a detection's score.
        probability: largest absolute error of a class probability.
        embedding: largest relative error of an embedding (length of the difference over length of the recorded one).
    """

    boxes_px: float = 0.5
    score: float = 2e-3
    probability: float = 2e-3
    embedding: float = 1e-2


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition that the model had to meet before it became a bundle."""

    name: str
    passed: bool
    value: float
    limit: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """The file that the graph was made of.

    Attributes:
        format: `yolox`, `classifier`, `decoded`, or the recipe that trained it.
        sha256: of the original model file. Empty: trained here, there is none.
        producer: the program that wrote the file, as it says itself.
        opset: of the bundle's graph.
        preprocessing: what the graph does to the pixels and outputs, for people.
    """

    format: str
    sha256: str
    producer: str
    opset: int
    preprocessing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleSpec:
    """The whole of `bundle.json`.

    Attributes:
        name: of the model; the store gives the version.
        classes: class names by index.
        outputs: in the order of the graph.
        max_batch: images in one call of the graph. None: as many as fit into memory.
        detection: None for a classifier.
        embedding: None when the graph has no such output.
        metrics: measured values, by name.
        lineage: what it was made of, e.g. `run`, `dataset`, `parent`.
        note: one sentence for people.
        temperature: that the logits were divided by, so that a score is the probability of being right; it is in the
            graph already.

    Raises:
        BadBundle: the fields contradict each other.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    input: InputSpec
    outputs: tuple[OutputSpec, ...]
    source: SourceSpec
    max_batch: int | None = None
    detection: DetectionSpec | None = None
    embedding: EmbeddingSpec | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)
    metrics: Mapping[str, float] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    lineage: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    temperature: float = 1.0
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        for wrong in _contradictions(self):
            raise BadBundle(f"bundle {self.name!r}: {wrong}")

    def output(self, name: str) -> OutputSpec | None:
        """The output of that name, or None."""
        return next((output for output in self.outputs if output.name == name), None)


def expected_outputs(
    task: Task, classes: int, detection: DetectionSpec | None, embedding: EmbeddingSpec | None
) -> tuple[OutputSpec, ...]:
    """The outputs that a graph of this task has, in order."""
    outputs: list[OutputSpec] = []
    if task is Task.DETECT and detection is not None:
        k = detection.max_candidates
        outputs += [OutputSpec("boxes", "float32", (k, 4)), OutputSpec("scores", "float32", (k,))]
        outputs += [OutputSpec("class_ids", "int32", (k,))]
    if task is Task.CLASSIFY:
        outputs += [OutputSpec("probabilities", "float32", (classes,))]
    if embedding is not None:
        outputs += [OutputSpec("embedding", "float32", (embedding.dim,))]
    return tuple(outputs)


def _contradictions(spec: BundleSpec) -> list[str]:
    wrong: list[str] = []
    try:
        check_name("model", spec.name)
    except BadArgument as error:
        wrong.append(str(error))
    if not 1 <= len(spec.classes) <= _MAX_CLASSES or not all(spec.classes):
        wrong.append(f"expected 1..{_MAX_CLASSES} class names, none empty, found {len(spec.classes)}")
    if doubles := sorted(name for name, count in Counter(spec.classes).items() if count > 1):
        wrong.append(f"expected every class name once, found {doubles[:5]} more than once")
    if min(spec.input.height, spec.input.width) < 1 or max(spec.input.height, spec.input.width) > 8192:
        wrong.append(f"expected an input of 1..8192 px, found {spec.input.width}x{spec.input.height}")
    if spec.max_batch is not None and spec.max_batch < 1:
        wrong.append(f"max_batch must be 1 or more, or null for any, found {spec.max_batch}")
    if (spec.task is Task.DETECT) != (spec.detection is not None):
        wrong.append(f"task {spec.task} and detection {spec.detection} do not fit; only a detector has detection")
    elif spec.detection is not None:
        thresholds = (spec.detection.score_threshold, spec.detection.iou_threshold)
        if not all(0 <= value <= 1 for value in thresholds) or spec.detection.max_candidates < 1:
            wrong.append(f"expected thresholds of 0..1 and 1 or more candidates, found {spec.detection}")
    expected = expected_outputs(spec.task, len(spec.classes), spec.detection, spec.embedding)
    if spec.outputs != expected:
        wrong.append(f"a {spec.task} model must have the outputs {expected}, found {spec.outputs}")
    return wrong

"""What an import is told about a foreign model."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from cvops_vision.letterbox import Interpolation, Resize, ResizeRule

NO_EMBEDDING: Final = "none"
"""In place of a tensor's name: the bundle shall give no embedding."""


class ModelFormat(StrEnum):
    """What the outputs of the file are."""

    YOLOX = "yolox"
    """The raw head of YOLOX: (N, anchors, 5 + classes), to be decoded."""
    CLASSIFIER = "classifier"
    """One value per class, probabilities or logits."""
    DECODED = "decoded"
    """Boxes, scores and perhaps labels, before or after suppression of doubles."""


class Channels(StrEnum):
    """The order of the channels that the model was trained with; a model with one channel gets grey in any case."""

    RGB = "rgb"
    BGR = "bgr"


class Activation(StrEnum):
    """What is to be done with the class values."""

    AUTO = "auto"
    """Nothing when they are probabilities already, else softmax for a classifier; found out by running the model."""
    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    """For decoded detectors whose scores are logits."""
    NONE = "none"


class BoxFormat(StrEnum):
    """The four numbers of a decoded box."""

    XYXY = "xyxy"
    """Left, top, right, bottom."""
    XYWH = "xywh"
    """Left, top, width, height."""
    CXCYWH = "cxcywh"
    """Centre x, centre y, width, height."""


class BoxUnits(StrEnum):
    """The unit of decoded boxes."""

    PX = "px"
    """Px of the network input."""
    NORMALISED = "normalised"
    """0..1 of the network input."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What the model wants its pixels to be: `(pixel * scale - mean) / std`, pixels 0..255.

    Attributes:
        channels: order of the three channels.
        scale: factor; 1: pixels stay 0..255.
        mean: subtracted after scaling, in the order of `channels`. Empty: nothing.
        std: divided by at last. Empty: by nothing.
    """

    channels: Channels = Channels.RGB
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """All that a file does not say itself.

    Attributes:
        name: of the model.
        format: what its outputs are.
        classes: class names by index.
        preprocessing: of the pixels, after resizing.
        resize: how images are brought to the size of the input.
        size_wh: width and height of the input in px, for a file that leaves it open. None: as in the file.
        activation: of the class values.
        embedding: name of the tensor of features. None: a late one is chosen; `none`: no embedding.
        box_format: of a decoded detector; `box_units` alike.
        score_threshold: see `DetectionSpec`; `iou_threshold` and `class_aware` alike.
        max_candidates: the most candidates per image that the graph gives.
        note: one sentence for people.
    """

    name: str
    format: ModelFormat
    classes: tuple[str, ...]
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    resize: Resize = field(default_factory=lambda: Resize(ResizeRule.STRETCH))
    size_wh: tuple[int, int] | None = None
    activation: Activation = Activation.AUTO
    embedding: str | None = None
    box_format: BoxFormat = BoxFormat.XYXY
    box_units: BoxUnits = BoxUnits.PX
    score_threshold: float = 0.25
    iou_threshold: float = 0.45
    class_aware: bool = True
    max_candidates: int = 300
    note: str = ""


def usual_preprocessing(kind: ModelFormat) -> Preprocessing:
    """What models of a format mostly want: YOLOX BGR, all others RGB, 0..255."""
    return Preprocessing(channels=Channels.BGR if kind is ModelFormat.YOLOX else Channels.RGB)


def usual_resize(kind: ModelFormat) -> Resize:
    """How images mostly come into models of a format."""
    if kind is ModelFormat.YOLOX:
        return Resize(ResizeRule.LETTERBOX_TOP_LEFT, Interpolation.LINEAR)
    if kind is ModelFormat.CLASSIFIER:
        return Resize(ResizeRule.CENTRE_CROP)
    return Resize(ResizeRule.LETTERBOX)

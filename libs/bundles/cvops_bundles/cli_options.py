"""The options of `cvops model import`, and what they mean."""

from collections.abc import Callable
from enum import StrEnum
from fractions import Fraction
from typing import Any, TypeVar

import click

from cvops_bundles.labels import read_labels, unique
from cvops_bundles.options import (
    Activation,
    BoxFormat,
    BoxUnits,
    Channels,
    ImportOptions,
    ModelFormat,
    Preprocessing,
    usual_preprocessing,
    usual_resize,
)
from cvops_common.errors import CvopsError
from cvops_vision.letterbox import Interpolation, Resize, ResizeRule

_F = TypeVar("_F", bound=Callable[..., Any])


def one_of(kind: type[StrEnum]) -> "click.Choice[str]":
    """The values of an enum, as they are written in a command."""
    return click.Choice([member.value for member in kind])


class _Numbers(click.ParamType[Any]):
    """Numbers separated by commas; fractions such as 1/255 are numbers."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(Fraction(part.strip())) for part in str(value).split(","))
        except (ValueError, ZeroDivisionError):
            self.fail(f"expected numbers such as 1/255 or 0.5,0.5,0.5, found {value!r}", param, ctx)


class _Size(click.ParamType[Any]):
    """A width and height such as 640x480."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        width, _, height = str(value).lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"expected width and height in px such as 640x480, found {value!r}", param, ctx)
        return int(width), int(height)


def about_pixels(command: _F) -> _F:
    """Adds the options of the input."""
    for option in reversed(
        (
            click.option("--size", type=_Size(), help="Input size, for a file that leaves it open."),
            click.option("--resize", type=one_of(ResizeRule), help="How images get to that size."),
            click.option("--interpolation", type=one_of(Interpolation), help="How they are resampled."),
            click.option("--pad", type=click.IntRange(0, 255), default=114, help="Grey of the letterbox. [114]"),
            click.option("--short-side", type=click.IntRange(1), help="For centre_crop: px before the cut."),
            click.option("--channels", type=one_of(Channels), help="Order in training. [yolox bgr, else rgb]"),
            click.option("--scale", type=_Numbers(), help="Factor for pixels 0..255, e.g. 1/255. [1]"),
            click.option("--mean", type=_Numbers(), help="Subtracted after scaling, one or three. [0]"),
            click.option("--std", type=_Numbers(), help="Divided by at last, one or three. [1]"),
        )
    ):
        command = option(command)
    return command


def about_outputs(command: _F) -> _F:
    """Adds the options of the outputs."""
    for option in reversed(
        (
            click.option(
                "--activation",
                type=one_of(Activation),
                default=Activation.AUTO.value,
                show_default=True,
                help="Of the class values.",
            ),
            click.option(
                "--box-format",
                type=one_of(BoxFormat),
                default=BoxFormat.XYXY.value,
                show_default=True,
                help="For decoded: the four numbers.",
            ),
            click.option(
                "--box-units",
                type=one_of(BoxUnits),
                default=BoxUnits.PX.value,
                show_default=True,
                help="For decoded: their unit.",
            ),
            click.option("--embedding", help="Tensor of features to pool, or none. [a late one is chosen]"),
            click.option("--score-threshold", type=click.FloatRange(0, 1), default=0.25, show_default=True),
            click.option("--iou-threshold", type=click.FloatRange(0, 1), default=0.45, show_default=True),
            click.option("--class-agnostic", is_flag=True, help="Boxes of all classes suppress each other."),
            click.option("--max-candidates", type=click.IntRange(1, 10_000), default=300, show_default=True),
        )
    ):
        command = option(command)
    return command


def options_of(given: dict[str, Any]) -> ImportOptions:
    """The meaning of what was given on the command line.

    Raises:
        click.ClickException: options contradict each other, or the labels cannot be read.
    """
    if (given["labels"] is None) == (given["classes"] is None):
        raise click.UsageError("give the class names: either --labels FILE or --classes a,b,c")
    kind = ModelFormat(given["kind"])
    usual, resize = usual_preprocessing(kind), usual_resize(kind)
    if given["scale"] and len(given["scale"]) > 1:
        raise click.UsageError("--scale is one number, e.g. 1/255; different ones per channel belong into --std")
    try:
        classes = read_labels(given["labels"]) if given["labels"] else _split(given["classes"])
    except CvopsError as error:
        raise click.ClickException(str(error)) from error
    return ImportOptions(
        name=given["name"],
        format=kind,
        classes=classes,
        preprocessing=Preprocessing(
            channels=Channels(given["channels"] or usual.channels),
            scale=(given["scale"] or (usual.scale,))[0],
            mean=given["mean"] or usual.mean,
            std=given["std"] or usual.std,
        ),
        resize=Resize(
            rule=ResizeRule(given["resize"] or resize.rule),
            interpolation=Interpolation(given["interpolation"] or resize.interpolation),
            pad_value=given["pad"],
            short_side_px=given["short_side"],
        ),
        size_wh=given["size"],
        activation=Activation(given["activation"]),
        embedding=given["embedding"],
        box_format=BoxFormat(given["box_format"]),
        box_units=BoxUnits(given["box_units"]),
        score_threshold=given["score_threshold"],
        iou_threshold=given["iou_threshold"],
        class_aware=not given["class_agnostic"],
        max_candidates=given["max_candidates"],
        note=given["version_note"],
    )


def _split(names: str) -> tuple[str, ...]:
    return unique(tuple(name.strip() for name in names.split(",")))

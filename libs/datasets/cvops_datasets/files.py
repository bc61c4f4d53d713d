"""Labelled images of a file format, before they belong to a platform."""

from collections.abc import Sequence
from dataclasses import dataclass

from cvops_datasets.images import Box


@dataclass(frozen=True, slots=True)
class Category:
    """A class of a file: its number there, its name, and what else the file says of it, as a JSON object."""

    number: int
    name: str
    extra: str = ""


@dataclass(frozen=True, slots=True)
class FileImage:
    """One image that a file names.

    Attributes:
        file_name: relative to the folder of images.
        width, height: of the upright image, in px.
        boxes: its objects.
        number: of the image in the file; 0: numbered when written.
        split: "train", "val" or "test"; empty: the file does not say.
        extra: what else the file says of it, as a JSON object; empty: nothing.
    """

    file_name: str
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    number: int = 0
    split: str = ""
    extra: str = ""


def numbered(names: Sequence[str]) -> tuple[Category, ...]:
    """Classes with the numbers 1, 2, ... as COCO counts."""
    return tuple(Category(number, name) for number, name in enumerate(names, 1))

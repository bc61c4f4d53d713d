"""Boxes and labels drawn into a picture, legible on any background."""

import colorsys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from cvops.errors import SourceError
from cvops.predictions import Predictions


def draw(image: Path, found: Predictions, output: Path) -> None:
    """Writes `image`, upright, with the boxes or the likeliest classes of `found` to `output`.

    Raises:
        SourceError: the image cannot be read, or the output not written.
    """
    try:
        picture = ImageOps.exif_transpose(Image.open(image)).convert("RGB")
    except OSError as error:
        raise SourceError(f"image {image} cannot be drawn on: {error}") from error
    canvas = ImageDraw.Draw(picture)
    size = max(11, round(min(picture.size) / 32))
    font = ImageFont.load_default(size)
    for xyxy, confidence, number, name in zip(
        found.xyxy.tolist(), found.confidence, found.class_id, found.class_names, strict=True
    ):
        colour = colour_of(int(number))
        canvas.rectangle(xyxy, outline=colour, width=max(2, size // 7))
        _label(canvas, (xyxy[0], max(0.0, xyxy[1] - size * 1.35)), f"{name} {confidence:.2f}", colour, font)
    if found.probabilities is not None:
        for line, number in enumerate(found.probabilities.argsort()[::-1][:3].tolist()):
            text = f"{found.classes[number]} {found.probabilities[number]:.2f}"
            _label(canvas, (4, 4 + line * size * 1.5), text, colour_of(number), font)
    try:
        picture.save(output)
    except (OSError, ValueError) as error:
        raise SourceError(
            f"picture cannot be written to {output}: {error}; use a name that ends in .png or .jpg"
        ) from error


def colour_of(class_id: int) -> tuple[int, int, int]:
    """A bright colour that stays with a class; neighbours differ by the golden angle."""
    red, green, blue = colorsys.hsv_to_rgb((class_id * 0.381966) % 1.0, 0.75, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def _label(
    canvas: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
    font: "ImageFont.FreeTypeFont | ImageFont.ImageFont",
) -> None:
    left, top, right, bottom = canvas.textbbox(at, text, font=font)
    canvas.rectangle((left - 2, top - 2, right + 2, bottom + 2), fill=colour)
    canvas.text(at, text, fill=(0, 0, 0), font=font)

"""An image on its way to a model."""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cvops_vision.decode import decode_rgb
from cvops_vision.letterbox import Interpolation, Placement, Resize, fill, place
from cvops_vision.probe import ImageInfo
from cvops_vision.statistics import HEIGHT, WIDTH, ImageStats, image_stats

ImageRGB: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A JPEG, PNG or WebP with what its header says."""

    data: bytes
    info: ImageInfo

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the upright image, px."""
        return self.info.width, self.info.height

    def fill(self, slot: ImageRGB, resize: Resize) -> Placement:
        """Decodes and resizes into a place of a batch, uint8 (H, W, 3).

        Where the model wishes averaging when an image shrinks, the decoder reduces first, which is cheaper and the same
        thing; a model that was made for plain linear sampling gets the full picture.

        Raises:
            BadImage: the image is damaged.
        """
        if resize.interpolation is not Interpolation.ANTIALIASED:
            return fill(decode_rgb(self.data, self.info), slot, resize)
        _, _, width, height = place(resize, self.size_wh, (slot.shape[1], slot.shape[0])).content
        pixels = decode_rgb(self.data, self.info, min_width=width, min_height=height)
        return fill(pixels, slot, resize, self.size_wh)

    def stats(self) -> ImageStats:
        """Its statistics, taken as ingest takes them of frames.

        Raises:
            BadImage: the image is damaged.
        """
        width, height = self.size_wh
        reduced = decode_rgb(self.data, self.info, min_width=WIDTH, min_height=HEIGHT)
        return image_stats(reduced, n_bytes=len(self.data), width=width, height=height)


@dataclass(frozen=True, slots=True)
class Pixels:
    """Decoded pixels: uint8 (H, W, 3), RGB, upright."""

    image_rgb: ImageRGB

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.image_rgb.shape[1], self.image_rgb.shape[0]

    def fill(self, slot: ImageRGB, resize: Resize) -> Placement:
        """Resizes into a place of a batch, uint8 (H, W, 3)."""
        return fill(self.image_rgb, slot, resize)

    def stats(self) -> ImageStats:
        """Their statistics; their size stands for that of an encoded image."""
        width, height = self.size_wh
        return image_stats(self.image_rgb, n_bytes=self.image_rgb.nbytes, width=width, height=height)

    def png(self) -> bytes:
        """The pixels as a PNG, for keeping."""
        _, data = cv2.imencode(".png", cv2.cvtColor(self.image_rgb, cv2.COLOR_RGB2BGR))
        return data.tobytes()


Image: TypeAlias = Encoded | Pixels

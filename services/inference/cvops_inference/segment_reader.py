"""Reading the images of frames: one request for many frames of a segment."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from cvops_common.objects import Objects
from cvops_protos.v1.image_pb2 import ObjectRange


async def read_images(objects: Objects, ranges: Sequence[ObjectRange]) -> list[bytes]:
    """The bytes of each range, in order. Ranges of one object are read together, objects side by side.

    Raises:
        NotFound: an object expired. Unavailable: the store does not answer.
    """
    by_uri: dict[str, list[int]] = defaultdict(list)
    for index, where in enumerate(ranges):
        by_uri[where.uri].append(index)
    images = [b""] * len(ranges)

    async def read(uri: str, indices: list[int]) -> None:
        offsets = [ranges[index].offset for index in indices]
        lengths = [ranges[index].length for index in indices]
        for index, data in zip(indices, await objects.get_ranges(uri, offsets, lengths), strict=True):
            images[index] = data

    # Not a task group: it would wrap the error, and the bus must see what it is.
    await asyncio.gather(*(read(uri, indices) for uri, indices in by_uri.items()))
    return images

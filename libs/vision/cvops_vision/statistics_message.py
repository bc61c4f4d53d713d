"""Image statistics as they travel in events."""

from cvops_protos.v1 import image_pb2
from cvops_vision.statistics import ImageStats


def statistics_message(stats: ImageStats, thumbnail_grey: bytes = b"") -> image_pb2.ImageStats:
    """The message of statistics; `thumbnail_grey` is a JPEG, empty: none."""
    return image_pb2.ImageStats(
        bytes=stats.n_bytes,
        ratio=stats.ratio,
        brightness_mean=stats.brightness_mean,
        brightness_std=stats.brightness_std,
        brightness_p1=stats.brightness_p1,
        brightness_p99=stats.brightness_p99,
        saturation=stats.saturation,
        contrast=stats.contrast,
        entropy=stats.entropy,
        sharpness=stats.sharpness,
        cast_a=stats.cast_a,
        cast_b=stats.cast_b,
        edge_energy=stats.edge_energy,
        dhash=stats.dhash,
        thumbnail_grey=thumbnail_grey,
    )

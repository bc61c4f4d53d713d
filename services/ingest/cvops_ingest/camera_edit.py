"""What a request changes in a camera."""

from math import isfinite

from cvops_common.errors import BadArgument
from cvops_common.ids import check_name
from cvops_protos.v1.camera_pb2 import Camera, CameraConfig

DEFAULT_PROJECT = "default"

_TEXTS = ("site", "firmware", "lens")
_WISHES = ("fps", "max_width", "jpeg_quality", "paused")
_MAX_TEXT, _MAX_TAGS = 256, 64


def merged(old: Camera, wish: Camera) -> Camera:
    """`old` with what `wish` names: empty and absent fields keep their value, tags are merged, an empty one removed.

    A limit of the configuration that is 0 is taken away. The revision grows when the configuration has changed.

    Raises:
        BadArgument: a value that no camera can have.
    """
    new = Camera()
    new.CopyFrom(old)
    if wish.project:
        new.project = check_name("project", wish.project)
    for name in _TEXTS:
        if text := getattr(wish, name):
            setattr(new, name, _text(name, text))
    if wish.HasField("position"):
        new.position.CopyFrom(wish.position)
    if wish.HasField("orientation"):
        new.orientation.CopyFrom(wish.orientation)
    _merge_tags(new, wish)
    if wish.HasField("config"):
        _merge_config(new.config, wish.config)
    if new.config != old.config or not old.config.revision:
        new.config.revision = old.config.revision + 1
    return new


def _merge_tags(new: Camera, wish: Camera) -> None:
    for name, value in wish.tags.items():
        if value:
            new.tags[_text("tag name", name)] = _text(f"tag {name}", value)
        elif name in new.tags:
            del new.tags[name]
    if len(new.tags) > _MAX_TAGS:
        raise BadArgument(f"camera {new.camera_id} would have {len(new.tags)} tags: expected {_MAX_TAGS} at most")


def _merge_config(new: CameraConfig, wish: CameraConfig) -> None:
    if not (isfinite(wish.fps) and wish.fps >= 0):
        raise BadArgument(f"fps {wish.fps} cannot be used: expected frames a second above 0, or 0 for no limit")
    if wish.jpeg_quality > 100:
        raise BadArgument(
            f"jpeg_quality {wish.jpeg_quality} cannot be used: expected 1 to 100, or 0 for the agent's own"
        )
    for field, value in wish.ListFields():
        if field.name in _WISHES:
            setattr(new, field.name, value)
            if not value:
                new.ClearField(field.name)  # type: ignore[arg-type]


def _text(what: str, text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise BadArgument(f"{what} has {len(text)} characters: expected {_MAX_TEXT} at most")
    return text

"""What the image input of a foreign model is: layout, channels, size, type."""

from dataclasses import dataclass
from typing import Final, Literal

import onnx
from onnx import TensorProto

from cvops_bundles.graph import shape_of, shape_words
from cvops_bundles.onnx_file import outer_name
from cvops_common.errors import BadBundle

_TYPES: Final = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.UINT8}


@dataclass(frozen=True, slots=True)
class ModelInput:
    """The image input of a foreign model.

    Attributes:
        name: of the tensor.
        kind: ONNX element type.
        layout: order of the dimensions.
        channels: 3, or 1 for grey.
        height: px; `width` alike.
        batch: images that the file is hard-coded for. None: any number.
    """

    name: str
    kind: int
    layout: Literal["NCHW", "NHWC"]
    channels: int
    height: int
    width: int
    batch: int | None


def read_input(model: onnx.ModelProto, size_wh: tuple[int, int] | None) -> ModelInput:
    """Finds the image input.

    Args:
        model: as read by `read_onnx`.
        size_wh: width and height in px, for a file that leaves them open.

    Raises:
        BadBundle: not exactly one input, or one that is not understood as images, or no size is known.
    """
    if len(model.graph.input) != 1:
        names = [outer_name(value.name) for value in model.graph.input]
        raise BadBundle(
            f"model: expected one input, the images, found {len(names)}: {names}; leave the others out of the export"
        )
    value = model.graph.input[0]
    name, shape = outer_name(value.name), shape_of(value)
    kind = value.type.tensor_type.elem_type
    if kind not in _TYPES:
        found = TensorProto.DataType.Name(kind)
        raise BadBundle(f"input {name}: expected float32, float16, float64 or uint8 images, found {found}")
    if shape is None or len(shape) != 4:
        found = "no shape" if shape is None else shape_words(shape)
        raise BadBundle(f"input {name}: expected [N, 3, H, W] or [N, H, W, 3] (or 1 channel), found {found}")
    layout: Literal["NCHW", "NHWC"]
    if shape[1] in (1, 3):
        layout, channels, height, width = "NCHW", shape[1], shape[2], shape[3]
    elif shape[3] in (1, 3):
        layout, channels, height, width = "NHWC", shape[3], shape[1], shape[2]
    else:
        raise BadBundle(
            f"input {name}: expected 3 or 1 channels in [N, C, H, W] or [N, H, W, C], found {shape_words(shape)}; "
            "export the model with a fixed number of channels"
        )
    open_w, open_h = size_wh or (None, None)
    for what, fixed, wished in (("width", width, open_w), ("height", height, open_h)):
        if fixed is None and wished is None:
            raise BadBundle(f"input {name}: its {what} is not fixed; say the size, e.g. --size 640x480")
        if fixed is not None and wished is not None and fixed != wished:
            raise BadBundle(f"input {name}: its {what} is fixed to {fixed} px, found {wished} as the wished one")
    return ModelInput(name, kind, layout, channels, height or open_h or 0, width or open_w or 0, shape[0])

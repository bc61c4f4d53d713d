"""From uint8 RGB images to what a foreign model wants, as nodes of its graph."""

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto

from cvops_bundles.graph import GraphBuilder
from cvops_bundles.onnx_file import inner_name
from cvops_bundles.options import Channels, Preprocessing
from cvops_bundles.signature import ModelInput
from cvops_bundles.spec import IMAGE_INPUT
from cvops_common.errors import BadBundle

_LUMA: Final = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey (ITU-R BT.601)."""


def prepend_preprocessing(graph: onnx.GraphProto, source: ModelInput, wished: Preprocessing) -> None:
    """Puts the nodes in front that make the model's input from the tensor `image`, uint8 (N, H, W, 3).

    Raises:
        BadBundle: the values do not fit the number of channels or the type of the input.
    """
    check_preprocessing(source, wished)
    builder = GraphBuilder("pre")
    first = source.layout == "NCHW"
    axis = 1 if first else 3
    # Moved as bytes, a quarter of the memory of floats.
    pixels = builder.op("Transpose", IMAGE_INPUT, perm=[0, 3, 1, 2]) if first else IMAGE_INPUT
    if source.channels == 1:
        pixels = _grey(builder, pixels, first)
    elif wished.channels is Channels.BGR:
        pixels = builder.op("Gather", pixels, builder.ints(2, 1, 0), axis=axis)
    if source.kind != TensorProto.UINT8:
        pixels = _scaled(builder, builder.to_float(pixels), wished, axis)
    builder.op("Cast", pixels, output=inner_name(source.name), to=source.kind)
    builder.put_before(graph)


def check_preprocessing(source: ModelInput, wished: Preprocessing) -> None:
    """Raises BadBundle when the values cannot be meant for this input."""
    for name, values in (("mean", wished.mean), ("std", wished.std)):
        if len(values) not in (0, 1, source.channels):
            raise BadBundle(f"{name}: expected 1 or {source.channels} values, found {len(values)}: {values}")
    if not np.isfinite((wished.scale, *wished.mean, *wished.std)).all() or 0 in (wished.scale, *wished.std):
        raise BadBundle(f"expected a scale and std that are not 0, found scale {wished.scale}, std {wished.std}")
    if source.kind == TensorProto.UINT8 and (wished.scale != 1 or wished.mean or wished.std):
        raise BadBundle(f"input {source.name} takes bytes, so leave scale, mean and std out")


def _grey(builder: GraphBuilder, pixels: str, channels_first: bool) -> str:
    pixels = builder.to_float(pixels)
    if channels_first:
        return builder.op("Conv", pixels, builder.floats(_LUMA, (1, 3, 1, 1)))
    return builder.op("MatMul", pixels, builder.floats(_LUMA, (3, 1)))


def _scaled(builder: GraphBuilder, pixels: str, wished: Preprocessing, axis: int) -> str:
    std = np.array(wished.std or (1.0,), np.float64)
    factor, offset = wished.scale / std, -np.array(wished.mean or (0.0,), np.float64) / std
    shape = (-1, 1, 1) if axis == 1 else (-1,)
    if np.any(factor != 1):
        pixels = builder.op("Mul", pixels, builder.floats(factor.tolist(), shape))
    if np.any(offset != 0):
        pixels = builder.op("Add", pixels, builder.floats(offset.tolist(), shape))
    return pixels

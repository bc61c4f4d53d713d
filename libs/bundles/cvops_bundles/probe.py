"""Runs a foreign model on the parity images, to learn what its outputs really are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from cvops_bundles.graph import shape_of, shape_words
from cvops_bundles.onnx_file import outer_name
from cvops_bundles.session import open_session, run_of
from cvops_bundles.spec import IMAGE_INPUT


@dataclass(frozen=True, slots=True)
class ProbedOutput:
    """One output of a foreign model.

    Attributes:
        name: as in the file.
        values: what it was for each of the images, float or int as the model gives it.
        declared: its shape as the file declares it.
    """

    name: str
    values: tuple[NDArray[Any], ...]
    declared: tuple[int | None, ...] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the first value."""
        return tuple(self.values[0].shape)

    @property
    def is_integer(self) -> bool:
        """Whether the values are whole numbers by type."""
        return bool(np.issubdtype(self.values[0].dtype, np.integer))

    def words(self) -> str:
        """Name, type and shape for people."""
        return f"{self.name} {self.values[0].dtype} {shape_words(self.shape)}"


def probe(prepared: onnx.ModelProto, images: NDArray[np.uint8], batch: int) -> tuple[ProbedOutput, ...]:
    """Runs the model on each image alone.

    Args:
        prepared: the model with its preprocessing in front.
        images: uint8 (P, H, W, 3).
        batch: images that the graph demands at once; each image is repeated as often.

    Raises:
        BadBundle: onnxruntime refuses the graph, or fails on the images.
    """
    model = onnx.ModelProto()
    model.CopyFrom(prepared)
    set_image_input(model.graph, batch, (images.shape[1], images.shape[2]))
    run = run_of(open_session(model.SerializeToString()))
    results = [run(np.repeat(image[None], batch, axis=0)) for image in images]
    return tuple(
        ProbedOutput(
            outer_name(value.name),
            tuple(result[value.name][:1] if batch > 1 else result[value.name] for result in results),
            shape_of(value),
        )
        for value in prepared.graph.output
    )


def set_image_input(graph: onnx.GraphProto, batch: int | str, size_hw: tuple[int, int]) -> None:
    """Makes `image`, uint8 (batch, H, W, 3), the only input of a graph."""
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(IMAGE_INPUT, TensorProto.UINT8, [batch, *size_hw, 3]))


def words_of(outputs: Sequence[ProbedOutput]) -> str:
    """All outputs for people."""
    return "; ".join(output.words() for output in outputs)

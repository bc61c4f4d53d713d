"""ONNX Runtime sessions."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cvops_bundles.parity import Run
from cvops_bundles.spec import IMAGE_INPUT
from cvops_common.errors import BadBundle


def open_session(model: bytes, *, threads: int = 1) -> ort.InferenceSession:
    """A session on the CPU; idle threads sleep instead of spinning.

    Args:
        model: the graph.
        threads: threads of one call; 1 lets several sessions share a machine best.

    Raises:
        BadBundle: onnxruntime refuses the graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common parent below Exception
        raise BadBundle(
            f"model: onnxruntime {ort.__version__} refuses the graph ({first_line(error)}); "
            "export it with standard operators and an opset that this version knows"
        ) from error


def run_of(session: ort.InferenceSession) -> Run:
    """One forward of a bundle's graph.

    Raises:
        BadBundle: (when called) onnxruntime fails on the images.
    """
    names = [output.name for output in session.get_outputs()]

    def run(images: NDArray[np.uint8]) -> Mapping[str, NDArray[Any]]:
        try:
            return dict(zip(names, session.run(names, {IMAGE_INPUT: images}), strict=True))
        except Exception as error:
            raise BadBundle(f"model: cannot run {len(images)} images ({first_line(error)})") from error

    return run


def first_line(error: Exception) -> str:
    """The first line of an exception's text, at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

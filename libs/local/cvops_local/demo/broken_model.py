"""A model that passes its own proof and is broken on the way to the cameras: it sees everything four times too dark."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cvops_bundles.bundle import open_bundle
from cvops_bundles.parity import Parity
from cvops_bundles.session import open_session, run_of
from cvops_bundles.spec import IMAGE_INPUT
from cvops_bundles.write import BundleParts, write_bundle

_DARKER = 4


def darkened(model: bytes) -> bytes:
    """The graph with every pixel of its input divided by four."""
    graph = onnx.load_from_string(model)
    dark = "image_too_dark"
    for node in graph.graph.node:
        node.input[:] = [dark if name == IMAGE_INPUT else name for name in node.input]
    factor = numpy_helper.from_array(np.array(_DARKER, np.int32), "darker_by")
    graph.graph.initializer.append(factor)
    nodes = [
        helper.make_node("Cast", [IMAGE_INPUT], ["image_whole"], to=TensorProto.INT32),
        helper.make_node("Div", ["image_whole", "darker_by"], ["image_divided"]),
        helper.make_node("Cast", ["image_divided"], [dark], to=TensorProto.UINT8),
    ]
    for node in reversed(nodes):
        graph.graph.node.insert(0, node)
    return graph.SerializeToString()


def broken(bundle: Path, folder: Path) -> Path:
    """A bundle like `bundle` whose graph is `darkened`; its parity is its own, so that only live evidence tells."""
    good = open_bundle(bundle)
    model = darkened(good.model_bytes())
    images = good.parity().images
    parity = Parity(images, run_of(open_session(model))(images))
    return write_bundle(BundleParts(good.spec, model, parity, good.monitor_bytes()), folder).path

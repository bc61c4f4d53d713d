"""Weights: out of the graph of an exported YOLOX, and from one list of classes to another."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from cvops_training.errors import TrainingFailed
from cvops_training.recipes.yolox.network import Network

_NEW_STD, _NEW_BIAS = 0.01, -2.0
_FIRST_CLASSES = "head.cls_preds.0"


def weights_of_graph(graph: bytes) -> dict[str, torch.Tensor]:
    """The weights of a served YOLOX-nano, from the convolutions of its graph in the order in which they run.

    Folding makes convolutions anonymous, so each is checked by shape, groups and strides.

    Raises:
        TrainingFailed: the graph is of another network.
    """
    proto = onnx.load_from_string(graph).graph
    values = {each.name: each for each in proto.initializer}
    nodes = [node for node in proto.node if node.op_type == "Conv"]
    if not nodes or any(len(node.input) < 3 or not set(node.input[1:3]) <= set(values) for node in nodes):
        raise TrainingFailed(
            "the base's graph has no convolutions with fixed weights and biases: it is no YOLOX-nano; begin from one, "
            "or from nothing (base none)"
        )
    order = _in_order(Network(classes=1))
    if len(order) != len(nodes):
        raise TrainingFailed(
            f"the base's graph has {len(nodes)} convolutions, YOLOX-nano has {len(order)}: begin from a YOLOX-nano, or "
            "from nothing (base none)"
        )
    shapes = [tuple(values[node.input[1]].dims) for node in nodes]
    classes = next(shape[0] for shape, (name, _) in zip(shapes, order, strict=True) if name == _FIRST_CLASSES)
    found = {}
    for node, (name, module) in zip(nodes, _in_order(Network(classes)), strict=True):
        weight, bias = (torch.from_numpy(np.array(numpy_helper.to_array(values[each]))) for each in node.input[1:3])
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        same = weight.shape == module.weight.shape and attributes.get("group", 1) == module.groups
        if not same or tuple(attributes.get("strides", (1, 1))) != module.stride:
            raise TrainingFailed(
                f"the base's graph is not a YOLOX-nano: convolution {node.name or name} has weights "
                f"{tuple(weight.shape)}, expected {tuple(module.weight.shape)}"
            )
        found[f"{name}.weight"], found[f"{name}.bias"] = weight.float(), bias.float()
    return found


def for_classes(
    weights: Mapping[str, torch.Tensor], known: Sequence[str], wanted: Sequence[str]
) -> dict[str, torch.Tensor]:
    """Weights whose last layers tell `wanted`: classes that were known keep their rows, others begin small.

    Args:
        weights: of a network for `known`.
        known: names by id.
        wanted: names by id.
    """
    rows = [known.index(name) if name in known else -1 for name in wanted]
    random = torch.Generator().manual_seed(0)
    adapted = dict(weights)
    for name in weights:
        if ".cls_preds." not in name:
            continue
        old = weights[name]
        new = torch.full((len(rows), *old.shape[1:]), _NEW_BIAS)
        if name.endswith("weight"):
            new = torch.randn(new.shape, generator=random) * _NEW_STD
        for number, row in enumerate(rows):
            if row >= 0:
                new[number] = old[row]
        adapted[name] = new
    return adapted


def _in_order(network: Network) -> list[tuple[str, nn.Conv2d]]:
    """The convolutions as they run."""
    order: list[tuple[str, nn.Conv2d]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _, name=name: order.append((name, module)))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network.eval()(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return order

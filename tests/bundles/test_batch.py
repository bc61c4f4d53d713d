"""Constants that fix the number of images are rewritten, and the results of a batch stay those of single images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from cvops_bundles.importing import import_onnx
from cvops_bundles.options import ImportOptions
from cvops_bundles.session import open_session, run_of

FLOAT = TensorProto.FLOAT


def resize_to_sizes() -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    nodes = [helper.make_node("Resize", ["pixels", "", "", "sizes"], ["grown"], mode="nearest")]
    return nodes, {"sizes": np.array([1, 3, 16, 16], np.int64)}


def expand_a_token() -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    """A learned plane beside the pixels, as exporters write the class token of a transformer."""
    nodes = [
        helper.make_node("Expand", ["token", "target"], ["tokens"]),
        helper.make_node("Concat", ["pixels", "tokens"], ["grown"], axis=1),
    ]
    return nodes, {"token": np.ones((1, 1, 8, 8), np.float32), "target": np.array([1, 1, 8, 8], np.int64)}


def reshape_in_groups() -> tuple[list[NodeProto], dict[str, np.ndarray]]:
    nodes = [
        helper.make_node("Reshape", ["pixels", "groups"], ["grouped"]),
        helper.make_node("Transpose", ["grouped"], ["shuffled"], perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["shuffled", "back"], ["grown"]),
    ]
    return nodes, {"groups": np.array([1, 3, 1, 8, 8], np.int64), "back": np.array([1, 3, 8, 8], np.int64)}


@pytest.mark.parametrize("first", [resize_to_sizes, expand_a_token, reshape_in_groups])
def test_a_hard_coded_batch_of_one_becomes_any_batch(
    tmp_path: Path,
    save_onnx: Callable[..., Path],
    classifier_options: Callable[..., ImportOptions],
    first: Callable[[], tuple[list[NodeProto], dict[str, np.ndarray]]],
):
    nodes, weights = first()
    channels = 4 if first is expand_a_token else 3
    nodes += [
        helper.make_node("GlobalAveragePool", ["grown"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "weights"], ["logits"]),
    ]
    weights |= {
        "flat": np.array([1, channels], np.int64),
        "weights": np.random.default_rng(0).normal(0, 0.02, (channels, 3)).astype(np.float32),
    }
    values = [("pixels", FLOAT, [1, 3, 8, 8])], [("logits", FLOAT, [1, 3])]
    parts = import_onnx(save_onnx(tmp_path / "m.onnx", nodes, *values, weights), classifier_options(("a", "b", "c")))
    assert parts.spec.max_batch is None
    images = np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    run = run_of(open_session(parts.model))
    together = run(images)["probabilities"]
    alone = np.concatenate([run(image[None])["probabilities"] for image in images])
    assert np.abs(together - alone).max() < 1e-6
    assert np.ptp(alone[:, 0]) > 1e-3

"""From a trained module to a bundle that proves itself."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from cvops_bundles.bundle import Bundle
from cvops_bundles.compare import worst_of_detections
from cvops_bundles.parity import Parity
from cvops_bundles.session import open_session, run_of
from cvops_bundles.spec import (
    IMAGE_INPUT,
    BundleSpec,
    EmbeddingSpec,
    Gate,
    SourceSpec,
    Tolerances,
    expected_outputs,
)
from cvops_bundles.write import BundleParts, WrittenBundle, write_bundle
from cvops_training.errors import TrainingFailed
from cvops_training.examples import Picture
from cvops_training.predict import OUTPUTS, torch_forward
from cvops_training.recipe import Recipe

OPSET = 18
_MOST_PX, _MOST_SCORE = 0.05, 1e-3
_PARITY_IMAGES = 2


@dataclass(frozen=True, eq=False)
class Identity:
    """What a bundle says of itself.

    Attributes:
        name: of the model.
        classes: names by id.
        metrics: measured values, by name.
        gates: that it went through.
        lineage: what it was made of: run, dataset, parent.
        note: one sentence for people.
    """

    name: str
    classes: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    gates: tuple[Gate, ...] = ()
    lineage: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Parting:
    """How far onnxruntime is from torch: px of a box, and of a score."""

    boxes_px: float
    score: float

    @property
    def passed(self) -> bool:
        """Within .05 px and .001; what is no number never is."""
        return self.boxes_px <= _MOST_PX and self.score <= _MOST_SCORE


def to_onnx(module: nn.Module, picture_hw: tuple[int, int], outputs: Sequence[str]) -> bytes:
    """The graph of a module from uint8 (N, H, W, 3), for any number of pictures.

    Raises:
        TrainingFailed: the exporter refuses the module.
    """
    example = torch.zeros((2, *picture_hw, 3), dtype=torch.uint8)
    axes = {name: {0: "N"} for name in (IMAGE_INPUT, *outputs)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), TemporaryDirectory(prefix="cvops-onnx-") as folder:
        warnings.simplefilter("ignore")
        target = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(
                module.eval(), (example,), target, input_names=[IMAGE_INPUT], output_names=list(outputs),
                dynamic_axes=axes, opset_version=OPSET, dynamo=False, do_constant_folding=True,
            )  # fmt: skip
        except Exception as error:
            raise TrainingFailed(f"the network cannot be exported to ONNX: {error}") from error
        return target.read_bytes()


def parting(graph: bytes, module: nn.Module, pictures: NDArray[np.uint8], px: tuple[int, int]) -> Parting:
    """Compares onnxruntime with torch on pictures, one by one and together; `px`: width and height of the input."""
    run, reference = run_of(open_session(graph)), torch_forward(module)
    one_by_one = [run(picture[None]) for picture in pictures]
    apart = {name: np.concatenate([each[name] for each in one_by_one]) for name in OUTPUTS}
    expected = reference(pictures)
    limits = Tolerances(_MOST_PX, _MOST_SCORE)
    worst = [worst_of_detections(expected, found, limits, px) for found in (apart, run(pictures))]
    return Parting(max(one[0] for one in worst), max(one[1] for one in worst))


def write(
    recipe: Recipe,
    module: nn.Module,
    identity: Identity,
    *,
    temperature: float,
    pictures: Sequence[Picture],
    monitor: bytes | None,
    reference: Mapping[str, NDArray[Any]] | None,
    folder: Path,
) -> WrittenBundle:
    """Exports a trained network, proves that onnxruntime computes what torch does, and writes the bundle.

    Args:
        recipe: that trained it.
        module: the network.
        identity: what the bundle says of itself.
        temperature: of its scores.
        pictures: some to prove it with, uint8 (H, W, 3).
        monitor: ONNX of the outlier score.
        reference: statistics for drift.
        folder: where the file goes.

    Raises:
        TrainingFailed: the export is not equal to the network.
    """
    size = recipe.input_spec()
    exported = recipe.exported(module, temperature).eval()
    graph = to_onnx(exported, (size.height, size.width), OUTPUTS)
    images = np.stack(list(pictures)[:_PARITY_IMAGES])
    apart = parting(graph, exported, images, size.network_wh)
    if not apart.passed:
        raise TrainingFailed(
            f"the exported graph is not the network: boxes differ by {apart.boxes_px:.3g} px (at most {_MOST_PX}), "
            f"scores by {apart.score:.3g} (at most {_MOST_SCORE})"
        )
    detection = recipe.detection_spec()
    embedding = EmbeddingSpec(recipe.embedding_dim(), "pooled features")
    spec = BundleSpec(
        name=identity.name,
        task=recipe.task,
        classes=identity.classes,
        input=size,
        outputs=expected_outputs(recipe.task, len(identity.classes), detection, embedding),
        source=SourceSpec(
            format=recipe.name,
            sha256="",
            producer=f"torch {torch.__version__}",
            opset=onnx.load_from_string(graph).opset_import[0].version,
            preprocessing={"channels": "rgb", "inside": "the graph"},
        ),
        detection=detection,
        embedding=embedding,
        metrics={name: value for name, value in identity.metrics.items() if np.isfinite(value)},
        gates=identity.gates,
        lineage=identity.lineage,
        note=identity.note,
        temperature=temperature,
    )
    run = run_of(open_session(graph))
    parity = Parity(images, {name: np.concatenate([run(image[None])[name] for image in images]) for name in OUTPUTS})
    weights = save_tensors({name: _stored(value) for name, value in module.state_dict().items()})
    return write_bundle(BundleParts(spec, graph, parity, monitor, reference, weights), folder)


def _stored(value: torch.Tensor) -> torch.Tensor:
    """In half precision: enough for a training to begin from, at half the size."""
    return value.contiguous().to(torch.float16 if value.is_floating_point() else value.dtype, copy=True)


def base_weights(bundle: Bundle, recipe: Recipe, classes: Sequence[str]) -> dict[str, torch.Tensor]:
    """The weights of a bundle for a network of `classes`: of one that the recipe trained, or out of a foreign graph.

    Raises:
        TrainingFailed: another recipe trained it, or the graph is of another network.
    """
    data = bundle.weights_bytes()
    if bundle.spec.source.format != recipe.name:
        raise TrainingFailed(
            f"{bundle.spec.name} was made by {bundle.spec.source.format!r}: {recipe.name} begins from a model of its "
            "own, or from nothing (base none)"
        )
    if data is None:
        weights = recipe.weights_of_graph(bundle.model_bytes())
    else:
        weights = {
            name: each.float() if each.is_floating_point() else each for name, each in load_tensors(data).items()
        }
    if tuple(classes) == bundle.spec.classes:
        return weights
    return recipe.for_classes(weights, bundle.spec.classes, classes)

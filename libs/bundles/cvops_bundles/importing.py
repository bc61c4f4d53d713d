"""A foreign ONNX file becomes the content of a bundle."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from cvops_bundles.batch import free_batch
from cvops_bundles.embedding import Features, find_features
from cvops_bundles.formats.classifier import ClassifierHead, understand_classifier
from cvops_bundles.formats.decoded import DecodedHead, understand_decoded
from cvops_bundles.formats.yolox import YoloxHead, understand_yolox
from cvops_bundles.graph import GraphBuilder, shapes_of
from cvops_bundles.onnx_file import OnnxFile, inner_name, read_onnx
from cvops_bundles.options import NO_EMBEDDING, ImportOptions, ModelFormat, Preprocessing
from cvops_bundles.parity import Parity, check_parity
from cvops_bundles.parity_images import parity_images
from cvops_bundles.preprocess import prepend_preprocessing
from cvops_bundles.probe import ProbedOutput, probe, set_image_input
from cvops_bundles.session import open_session, run_of
from cvops_bundles.signature import ModelInput, read_input
from cvops_bundles.spec import (
    BundleSpec,
    DetectionSpec,
    InputSpec,
    OutputSpec,
    SourceSpec,
    Task,
    expected_outputs,
)
from cvops_bundles.write import BundleParts
from cvops_common.errors import BadBundle

Head: TypeAlias = YoloxHead | ClassifierHead | DecodedHead


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A model with its preprocessing in front, and what was learned by running it."""

    model: onnx.ModelProto
    source: ModelInput
    images: NDArray[np.uint8]
    head: Head
    features: Features | None


def import_onnx(path: Path, options: ImportOptions) -> BundleParts:
    """Builds a bundle's graph around a foreign model, runs it and records its parity vectors.

    The graph takes any number of images if that can be proved: the results of a batch must be those of single images.
    Otherwise `max_batch` is 1.

    Raises:
        BadBundle: the file is broken, not supported, or is not what the options say; the message tells how to go on.
    """
    file = read_onnx(path)
    prepared = _prepare(file, options)
    batch = prepared.source.batch or 1
    spec = _spec(file, prepared, options, max_batch=None)
    free = _assemble(prepared, spec.outputs, None)
    if batch == 1:
        fixed = _assemble(prepared, spec.outputs, 1)
        parity = _record(fixed, prepared.images)
        if not _proved(spec, parity, free):
            return BundleParts(_spec(file, prepared, options, max_batch=1), fixed, parity)
        return BundleParts(spec, free, parity)
    try:
        parity = _record(free, prepared.images)
        check_parity(spec, parity, run_of(open_session(free))).raise_if_failed()
    except BadBundle as error:
        raise BadBundle(
            f"{path.name}: is made for exactly {batch} images at once, and cannot be freed of that ({error}); "
            "export it for one image or a dynamic number"
        ) from error
    return BundleParts(spec, free, parity)


def _prepare(file: OnnxFile, options: ImportOptions) -> _Prepared:
    model = onnx.ModelProto()
    model.CopyFrom(file.model)
    source = read_input(model, options.size_wh)
    _fix_input(model, source)
    shapes = shapes_of(model)
    task = Task.CLASSIFY if options.format is ModelFormat.CLASSIFIER else Task.DETECT
    features = None
    if options.embedding != NO_EMBEDDING:
        features = find_features(model.graph, shapes, source, task, options.embedding)
    prepend_preprocessing(model.graph, source, options.preprocessing)
    images = parity_images(source.height, source.width)
    head = _understand(probe(model, images, source.batch or 1), source, options)
    return _Prepared(model, source, images, head, features)


def _fix_input(model: onnx.ModelProto, source: ModelInput) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    height, width = (2, 3) if source.layout == "NCHW" else (1, 2)
    dims[height].dim_value, dims[width].dim_value = source.height, source.width


def _understand(outputs: tuple[ProbedOutput, ...], source: ModelInput, options: ImportOptions) -> Head:
    if options.format is ModelFormat.YOLOX:
        return understand_yolox(outputs, source, len(options.classes), options.max_candidates)
    if options.format is ModelFormat.CLASSIFIER:
        return understand_classifier(outputs, len(options.classes), options.activation)
    return understand_decoded(outputs, source, options)


def _assemble(prepared: _Prepared, outputs: tuple[OutputSpec, ...], batch: int | None) -> bytes:
    """The whole graph; `batch` None: for any number of images."""
    model = onnx.ModelProto()
    model.CopyFrom(prepared.model)
    if batch is None:
        free_batch(model, inner_name(prepared.source.name), prepared.source.batch or 1)
    builder = GraphBuilder("post")
    prepared.head.append(builder)
    if prepared.features is not None:
        prepared.features.append(builder)
    builder.put_after(model.graph)
    set_image_input(model.graph, batch or "N", (prepared.source.height, prepared.source.width))
    del model.graph.output[:]
    kinds = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}
    for output in outputs:
        shape = [batch or "N", *output.shape]
        model.graph.output.append(helper.make_tensor_value_info(output.name, kinds[output.dtype], shape))
    model.graph.name = "cvops"
    return model.SerializeToString(deterministic=True)


def _record(model: bytes, images: NDArray[np.uint8]) -> Parity:
    run = run_of(open_session(model))
    results = [run(image[None]) for image in images]
    return Parity(images, {name: np.concatenate([result[name] for result in results]) for name in results[0]})


def _proved(spec: BundleSpec, parity: Parity, model: bytes) -> bool:
    try:
        return check_parity(spec, parity, run_of(open_session(model))).passed
    except BadBundle:
        return False


def _spec(file: OnnxFile, prepared: _Prepared, options: ImportOptions, max_batch: int | None) -> BundleSpec:
    head, source = prepared.head, prepared.source
    detection = None
    if not isinstance(head, ClassifierHead):
        thresholds = (options.score_threshold, options.iou_threshold)
        detection = DetectionSpec(*thresholds, options.class_aware, head.max_candidates)
    task = Task.DETECT if detection else Task.CLASSIFY
    embedding = prepared.features.spec() if prepared.features else None
    words = {f"head_{name}": value for name, value in head.words().items()}
    return BundleSpec(
        name=options.name,
        task=task,
        classes=options.classes,
        input=InputSpec(source.height, source.width, options.resize),
        outputs=expected_outputs(task, len(options.classes), detection, embedding),
        max_batch=max_batch,
        detection=detection,
        embedding=embedding,
        source=SourceSpec(
            format=options.format,
            sha256=file.sha256,
            producer=file.producer,
            opset=file.opset,
            preprocessing=_preprocessing_words(source, options.preprocessing) | words,
        ),
        note=options.note,
    )


def _preprocessing_words(source: ModelInput, pixels: Preprocessing) -> dict[str, str]:
    def numbers(values: tuple[float, ...]) -> str:
        return ",".join(f"{value:g}" for value in values)

    return {
        "input": f"{source.name} {TensorProto.DataType.Name(source.kind).lower()} {source.layout}",
        "channels": "grey" if source.channels == 1 else pixels.channels.value,
        "scale": f"{pixels.scale:g}",
        "mean": numbers(pixels.mean) or "0",
        "std": numbers(pixels.std) or "1",
    }

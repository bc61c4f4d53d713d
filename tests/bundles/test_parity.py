"""A server proves itself: real differences break parity, noise and reordering do not."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.parity import Run, prove_parity
from cvops_bundles.session import open_session, run_of
from cvops_bundles.verify import verify_bundle
from cvops_bundles.write import BundleParts, write_bundle
from cvops_common.errors import BadBundle


@pytest.fixture(scope="module")
def run(yolox: Bundle) -> Run:
    return run_of(open_session(yolox.model_bytes()))


def test_the_machine_that_imported_a_model_proves_it(yolox: Bundle, mnist: Bundle):
    for bundle in (yolox, mnist):
        report = verify_bundle(bundle)
        assert report.passed
        assert report.batches == (1, 4)
        assert report.sentence().startswith("parity holds in batches of 1 and 4: worst error ")


def test_swapped_channels_break_parity(yolox: Bundle, run: Run):
    report = prove_parity(yolox, lambda images: run(np.ascontiguousarray(images[..., ::-1])))
    assert {check.output for check in report.checks if not check.passed} == {"boxes", "scores", "embedding"}
    with pytest.raises(BadBundle, match="parity is broken") as caught:
        report.raise_if_failed()
    assert caught.value.reason == "parity"


def test_classes_in_another_order_break_parity(yolox: Bundle, run: Run):
    report = prove_parity(yolox, lambda images: {**(found := run(images)), "class_ids": 79 - found["class_ids"]})
    assert [check.output for check in report.checks if not check.passed] == ["boxes"]


def test_a_batch_that_mixes_its_images_breaks_parity(yolox: Bundle, run: Run):
    assert not prove_parity(yolox, lambda images: {k: v[::-1] for k, v in run(images).items()}).passed


@pytest.mark.parametrize("px", [0.1, 3.0])
def test_boxes_may_move_by_the_tolerance_and_no_further(yolox: Bundle, run: Run, px: float):
    def moved(images: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = run(images)
        return {**outputs, "boxes": outputs["boxes"] + np.float32(px)}

    checks = {check.output: check for check in prove_parity(yolox, moved).checks}
    assert checks["boxes"].passed == (px < yolox.spec.tolerances.boxes_px)
    assert checks["scores"].passed


def test_noise_that_reorders_candidates_keeps_parity(yolox: Bundle, run: Run):
    """Another processor sums in another order: scores move in the sixth digit, and with them the order."""
    rng = np.random.default_rng(0)

    def noisy(images: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = run(images)
        scores = outputs["scores"] * (1 + rng.normal(0, 1e-5, outputs["scores"].shape)).astype(np.float32)
        order = np.argsort(-scores, axis=1)
        return {
            "scores": np.take_along_axis(scores, order, 1),
            "class_ids": np.take_along_axis(outputs["class_ids"], order, 1),
            "boxes": np.take_along_axis(outputs["boxes"], order[..., None], 1),
            "embedding": outputs["embedding"],
        }

    assert prove_parity(yolox, noisy).passed


@pytest.mark.parametrize("output", ["boxes", "scores", "embedding"])
def test_a_value_that_is_not_a_number_breaks_parity(yolox: Bundle, run: Run, output: str):
    def broken(images: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = {name: array.copy() for name, array in run(images).items()}
        outputs[output][-1, 0] = np.nan
        return outputs

    assert not prove_parity(yolox, broken).passed


def test_an_output_of_another_shape_is_an_error_with_both_shapes(yolox: Bundle, run: Run):
    with pytest.raises(BadBundle, match=r"scores of road: expected float32 \(1, 300\), found float32 \(1, 299\)"):
        prove_parity(yolox, lambda images: {k: v[:, :299] if k == "scores" else v for k, v in run(images).items()})


def test_weights_that_were_changed_after_recording_break_parity(mnist_parts: BundleParts, tmp_path: Path):
    model = onnx.load_model_from_string(mnist_parts.model)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("Parameter5"))
    array = onnx.numpy_helper.to_array(weights) * np.float32(1.05)
    weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
    parts = dataclasses.replace(mnist_parts, model=model.SerializeToString())
    with pytest.raises(BadBundle, match="parity is broken"):
        verify_bundle(open_bundle(write_bundle(parts, tmp_path).path))


def test_a_graph_with_another_input_than_the_spec_is_refused(mnist_parts: BundleParts, yolox: Bundle, tmp_path: Path):
    parts = dataclasses.replace(mnist_parts, model=yolox.model_bytes())
    with pytest.raises(BadBundle, match=r"expected the input .*28, 28, 3.*found .*416, 416, 3"):
        verify_bundle(open_bundle(write_bundle(parts, tmp_path).path))


def test_a_weak_candidate_that_only_one_side_has_keeps_parity(yolox: Bundle, run: Run):
    """Two neighbours of nearly equal score: with one rounding both are maxima, with another only one."""

    def one_more(images: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = run(images)
        rows = [*range(6), *range(5, outputs["scores"].shape[1] - 1)]
        return {name: array if name == "embedding" else array[:, rows] for name, array in outputs.items()}

    report = prove_parity(yolox, one_more)
    assert report.passed, report.sentence()


def test_a_graph_that_scores_lower_breaks_parity(yolox: Bundle, run: Run):
    report = prove_parity(
        yolox, lambda images: {**(found := run(images)), "scores": found["scores"] * np.float32(0.99)}
    )
    assert "scores" in {check.output for check in report.checks if not check.passed}

"""YOLOX-nano in torch: the function of the imported file, and one that learns."""

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from cvops_bundles.bundle import open_bundle
from cvops_common.errors import BadArgument
from cvops_training.errors import TrainingFailed
from cvops_training.export import base_weights
from cvops_training.fit import Data, HeldOut, Order, train_candidate
from cvops_training.recipe import recipe_of
from cvops_training.recipes.yolox.network import Network, boxes_of, cells
from cvops_training.recipes.yolox.targets import Objects, assign, loss_of
from cvops_training.recipes.yolox.weights import for_classes, weights_of_graph
from tests.training.conftest import CLASSES, drawn

YOLOX = recipe_of("yolox")


def test_the_network_computes_what_the_official_file_does(shared_data):
    graph = (shared_data / "models" / "yolox_nano.onnx").read_bytes()
    network = YOLOX.build(80, weights_of_graph(graph)).eval()
    x = np.random.default_rng(0).uniform(0, 255, (1, 3, 416, 416)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(graph).run(None, {"images": x})
    with torch.no_grad():
        found = network(torch.from_numpy(x))[0].numpy()
    found[..., 4:] = 1 / (1 + np.exp(-found[..., 4:]))
    assert np.abs(found - expected).max() < 1e-3


def test_an_imported_bundle_gives_the_weights_of_its_file(shared_data, imported_yolox):
    classes = imported_yolox.spec.classes
    file = weights_of_graph((shared_data / "models" / "yolox_nano.onnx").read_bytes())
    found = base_weights(imported_yolox, YOLOX, classes)
    assert found.keys() == file.keys()
    assert all(torch.equal(found[name], file[name]) for name in file)


def test_a_graph_of_another_network_is_refused_with_the_way_out(shared_data):
    with pytest.raises(TrainingFailed, match="base none"):
        weights_of_graph((shared_data / "models" / "mnist.onnx").read_bytes())


def test_another_recipe_does_not_begin_from_it(imported_yolox):
    with pytest.raises(TrainingFailed, match="detector-tiny begins from a model of its own"):
        base_weights(imported_yolox, recipe_of("detector-tiny"), CLASSES)


def test_classes_that_are_known_keep_their_rows():
    known = Network(3).state_dict()
    adapted = for_classes(known, ("a", "b", "c"), ("c", "new"))
    name = "head.cls_preds.1.weight"
    assert torch.equal(adapted[name][0], known[name][2])
    assert adapted[name].shape[0] == 2
    Network(2).load_state_dict(adapted)


def test_every_object_gets_anchors_near_it_and_no_anchor_two():
    places, strides = cells(128, 128)
    objects = Objects(torch.tensor([[10.0, 10, 50, 50], [60, 60, 120, 120]]), torch.tensor([0, 1]), torch.zeros((0, 4)))
    raw = torch.zeros(len(places), 7)
    match = assign(raw, boxes_of(raw, places, strides), (places + 0.5) * strides, strides, objects)
    assert set(match.objects.tolist()) == {0, 1}
    assert len(set(match.anchors.tolist())) == len(match.anchors)
    centres = ((places + 0.5) * strides)[match.anchors]
    boxes = objects.boxes[match.objects]
    assert ((centres > boxes[:, :2]) & (centres < boxes[:, 2:])).all()


def test_nothing_is_asked_of_anchors_in_ignored_regions():
    places, strides = cells(64, 64)
    raw = torch.zeros(1, len(places), 6)
    everywhere = Objects(torch.zeros((0, 4)), torch.zeros(0, dtype=torch.long), torch.tensor([[-1.0, -1, 65, 65]]))
    nowhere = dataclasses.replace(everywhere, ignored=torch.zeros((0, 4)))
    assert loss_of(raw, places, strides, [everywhere]) == 0
    assert loss_of(raw, places, strides, [nowhere]) > 1


def test_a_few_steps_teach_new_classes_and_the_export_equals_the_network(imported_yolox, tmp_path):
    params = dataclasses.replace(YOLOX.defaults(fine_tune=True), steps=25, batch=4, learning_rate=2e-3, ema=0.8)
    order = Order(YOLOX, params, CLASSES, "shapes", imported_yolox, with_monitor=False)
    candidate = train_candidate(order, Data(drawn(YOLOX, 12), [], drawn(YOLOX, 6, 1), []), tmp_path)
    assert np.mean(candidate.losses[-5:]) < 0.5 * np.mean(candidate.losses[:3])
    assert candidate.metrics["new.map50"] > candidate.base_metrics.get("new.map50", 0.0) + 0.3


def test_a_candidate_of_another_size_is_judged_beside_the_champion_at_its_own(imported_yolox, tmp_path):
    small = YOLOX.sized(192)
    params = dataclasses.replace(small.defaults(fine_tune=True), steps=2, batch=2)
    order = Order(small, params, CLASSES, "shapes", imported_yolox, with_monitor=False)
    data = Data(drawn(small, 6), [], drawn(small, 4, 1), [], champion=HeldOut(drawn(YOLOX, 4, 1), []))
    candidate = train_candidate(order, data, tmp_path)
    assert open_bundle(candidate.bundle).spec.input.network_wh == (192, 192)
    assert {"gain", "latency"} <= {gate.name for gate in candidate.gates}


@pytest.mark.parametrize(("recipe", "px", "step"), [("yolox", 300, 32), ("detector-tiny", 8, 16), ("yolox", 4096, 32)])
def test_a_size_that_the_network_does_not_take_is_refused_with_those_it_takes(recipe, px, step):
    with pytest.raises(BadArgument, match=f"{recipe} takes multiples of {step} px, 96 to 1280, found {px}"):
        recipe_of(recipe).sized(px)


def test_the_tiny_detector_takes_pictures_of_16_to_9_in_other_sizes():
    sizes = [recipe_of("detector-tiny").sized(px).input_spec().network_wh for px in (0, 320, 640)]
    assert sizes == [(320, 192), (320, 192), (640, 368)]

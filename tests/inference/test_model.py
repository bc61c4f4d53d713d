"""Loading a bundle: sessions, proof, the outlier score and the batch that is fastest."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cvops_bundles.bundle import Bundle
from cvops_common.errors import BadBundle
from cvops_inference.lane import OUTLIER_SCORE, Lane
from cvops_inference.model import fastest_batch, load
from tests.inference.conftest import monitor, picture


def test_the_lanes_of_a_model_give_what_was_recorded(make_bundle: Callable[..., Bundle]) -> None:
    bundle = make_bundle()
    model = load(bundle, workers=3, max_batch=4)
    parity = bundle.parity()
    assert len(model.lanes) == 3
    for lane in model.lanes:
        found = lane.forward(parity.images)
        for name, expected in parity.outputs.items():
            assert np.abs(found[name] - expected).max() < 1e-5


def test_a_graph_that_does_not_give_what_was_recorded_is_refused_with_the_error(wrong_bundle: Bundle) -> None:
    with pytest.raises(BadBundle, match="scores"):
        load(wrong_bundle, workers=1, max_batch=4)


def test_a_graph_that_is_none_is_refused(make_bundle: Callable[..., Bundle]) -> None:
    with pytest.raises(BadBundle, match="onnxruntime"):
        load(make_bundle(model=b"not a graph"), workers=1, max_batch=4)


def test_a_monitor_gives_the_outlier_score_of_each_image(make_bundle: Callable[..., Bundle], tmp_path: Path) -> None:
    lane = Lane(make_bundle(monitor=monitor(tmp_path)), 4)
    lane.slots[0], lane.slots[1] = picture(3), 255
    lane.run(2)
    assert lane.outputs[OUTLIER_SCORE][:2].tolist() == pytest.approx([255 / 48 / 3, 255])
    assert OUTLIER_SCORE not in lane.forward(lane.slots)


def test_a_monitor_with_other_outputs_is_refused_with_what_was_expected(
    make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    with pytest.raises(BadBundle, match=r"expected input 'image' and output 'outlier_score'.*'strangeness'"):
        Lane(make_bundle(monitor=monitor(tmp_path, "strangeness")), 4)


def test_the_batch_is_one_that_was_tried(make_bundle: Callable[..., Bundle]) -> None:
    assert fastest_batch(Lane(make_bundle(), 1)) == 1
    assert fastest_batch(Lane(make_bundle(), 6)) in (1, 2, 4)
    assert load(make_bundle(), workers=1, max_batch=8).max_batch in (1, 2, 4, 8)

"""Selectors and the stable share of a fleet."""

import pytest

from cvops_common.errors import BadArgument
from cvops_common.selectors import Selector, bucket
from cvops_protos.v1.camera_pb2 import Camera

CAMERA = Camera(camera_id="gate-3", project="default", site="north", firmware="2.1", tags={"road": "A7"})


@pytest.mark.parametrize(
    "text", ["", "site=north", "site=n*", "site=north, firmware=2.*", "road=A7", "id=gate-?", "camera_id=gate-3"]
)
def test_a_camera_is_selected_when_all_terms_hold(text: str) -> None:
    assert Selector.parse(text).matches(CAMERA)


@pytest.mark.parametrize("text", ["site=south", "site=north,firmware=3.*", "colour=red", "site=NORTH"])
def test_a_camera_is_not_selected_when_one_term_fails(text: str) -> None:
    assert not Selector.parse(text).matches(CAMERA)


@pytest.mark.parametrize("text", ["north", "=north", "site=", "site=north,,firmware"])
def test_a_term_that_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(BadArgument, match="expected name=pattern"):
        Selector.parse(text)


def test_buckets_are_spread_evenly_and_never_change() -> None:
    counts = [0] * 100
    for number in range(20_000):
        counts[bucket(f"camera-{number}")] += 1
    # Poisson with mean 200: six standard deviations are 85.
    assert max(abs(count - 200) for count in counts) < 85
    assert bucket("gate-3") == 80

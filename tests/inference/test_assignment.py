"""Which releases serve which camera."""

from collections.abc import Callable

import pytest

from cvops_bundles.bundle import Bundle
from cvops_common.selectors import Selector
from cvops_inference.assignment import Serving, assigned
from cvops_inference.model import Model, load
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from tests.inference.conftest import released

SHADOW, CANARY = ModelReleased.STAGE_SHADOW, ModelReleased.STAGE_CANARY


@pytest.fixture
def model(make_bundle: Callable[..., Bundle]) -> Model:
    return load(make_bundle(), workers=1, max_batch=1)


def serving(model: Model, key: str = "p/champion", **fields: object) -> Serving:
    message = released(model.bundle, key, **fields).message
    assert message is not None
    return Serving(message, model, Selector.parse(message.selector))


def camera(number: int = 0, **fields: str) -> Camera:
    return Camera(camera_id=f"cam-{number}", project="p", **fields)


def test_a_selector_and_the_project_choose_the_cameras(model: Model) -> None:
    north = serving(model, selector="site=north,firmware=2.*")
    assert assigned([north], camera(site="north", firmware="2.1")) == (north,)
    assert assigned([north], camera(site="north", firmware="1.9")) == ()
    assert assigned([north], Camera(camera_id="c", project="q", site="north", firmware="2.1")) == ()


def test_a_share_of_the_fleet_is_stable_and_grows_by_adding_cameras(model: Model) -> None:
    def chosen(percent: int) -> set[int]:
        release = serving(model, percent=percent)
        return {n for n in range(2000) if assigned([release], camera(n))}

    assert chosen(0) == set()
    assert chosen(10) < chosen(50) < chosen(100)
    assert len(chosen(100)) == 2000
    assert 140 < len(chosen(10)) < 260  # 200 expected, standard deviation 13
    assert chosen(10) == chosen(10)


def test_a_canary_takes_its_cameras_over_from_the_champion(model: Model) -> None:
    champion = serving(model)
    canary = serving(model, "p/candidate", stage=CANARY, selector="site=north")
    assert assigned([champion, canary], camera(site="north")) == (canary,)
    assert assigned([champion, canary], camera(site="south")) == (champion,)
    assert canary.role_name == "challenger"


def test_a_shadow_and_other_slots_predict_beside_the_champion(model: Model) -> None:
    champion = serving(model)
    shadow = serving(model, "p/candidate", stage=SHADOW)
    plates = serving(model, "p/plates")
    assert assigned([champion, shadow, plates], camera()) == (champion, shadow, plates)
    assert [release.role_name for release in (champion, shadow, plates)] == ["champion", "shadow", "champion"]

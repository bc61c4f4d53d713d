"""One place of each kind, painted once for all tests."""

import pytest

from cvops_sim.camera import make_camera
from cvops_sim.renderer import Renderer
from cvops_sim.scene.layout import SiteKind, make_scene

PLACES = {SiteKind.URBAN: 12, SiteKind.SUBURB: 11, SiteKind.RURAL: 22}


@pytest.fixture(scope="session", params=list(PLACES), ids=str)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    """A renderer of each kind of place in turn."""
    return made(request.param)


@pytest.fixture(scope="session")
def urban() -> Renderer:
    """The busiest place."""
    return made(SiteKind.URBAN)


_made: dict[SiteKind, Renderer] = {}


def made(kind: SiteKind) -> Renderer:
    if kind not in _made:
        seed = PLACES[kind]
        _made[kind] = Renderer(make_scene(seed, kind), make_camera(seed))
    return _made[kind]

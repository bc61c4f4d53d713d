"""Which cameras there are, where each hangs, and what a selector chooses of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cvops_sim.camera import Camera, make_camera
from cvops_sim.rng import number
from cvops_sim.scene.layout import Scene, SiteKind, make_scene


@dataclass(frozen=True, eq=False)
class Mounted:
    """A camera at its place.

    Attributes:
        camera_id: "<site>-<number from 1>".
        site: name of the site.
        firmware: version.
        camera: how it hangs.
        scene: what is before it.
    """

    camera_id: str
    site: str
    firmware: str
    camera: Camera
    scene: Scene

    @property
    def facts(self) -> Mapping[str, str]:
        """What a selector can name."""
        return {
            "camera": self.camera_id,
            "site": self.site,
            "firmware": self.firmware,
            "kind": self.scene.kind.value,
            "resolution": f"{self.camera.width}x{self.camera.height}",
        }

    def matches(self, selector: Mapping[str, str]) -> bool:
        """Whether every term of a selector holds; values may use * and ?."""
        return all(fnmatchcase(self.facts[name], pattern) for name, pattern in selector.items())


SELECTABLE = ("camera", "site", "firmware", "kind", "resolution")


def mount(
    seed: int, site: str, index: int, *, kind: SiteKind | None, firmware: str, size_wh: tuple[int, int]
) -> Mounted:
    """Camera number `index` (from 0) of a site; the same for the same seed, site and index.

    Args:
        seed: of the scenario.
        site: name of the site.
        index: within the site.
        kind: surroundings; None: drawn by the seed.
        firmware: version.
        size_wh: picture size in px.
    """
    key = number(seed, site, index)
    width, height = size_wh
    return Mounted(f"{site}-{index + 1}", site, firmware, make_camera(key, width, height), make_scene(key, kind))

"""Which cameras: the language of selectors, and the stable share of a fleet."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256

from cvops_common.errors import BadArgument
from cvops_protos.v1.camera_pb2 import Camera

_FIELDS = ("camera_id", "project", "site", "firmware", "lens")


@dataclass(frozen=True, slots=True)
class Selector:
    """Cameras by their metadata: "site=north,firmware=2.*" means both terms hold.

    Values are shell patterns; "camera_id=gate-1|gate-2" means one or the other. A term names camera_id (or id),
    project, site, firmware, lens, or any tag. An empty selector takes every camera.
    """

    terms: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """Reads a selector.

        Raises:
            BadArgument: a term is not "name=pattern".
        """
        terms = []
        for term in filter(None, (part.strip() for part in text.split(","))):
            name, equals, pattern = term.partition("=")
            if not equals or not name.strip() or not pattern.strip():
                raise BadArgument(f"selector term {term!r} is not understood: expected name=pattern, e.g. site=north")
            terms.append((name.strip(), pattern.strip()))
        return cls(tuple(terms))

    def matches(self, camera: Camera) -> bool:
        """Whether every term holds for `camera`."""
        return all(
            any(fnmatchcase(_value(camera, name), one) for one in pattern.split("|")) for name, pattern in self.terms
        )


def bucket(camera_id: str) -> int:
    """A number 0..99 that stays with the camera: a release of p percent takes the cameras with a bucket below p."""
    return int.from_bytes(sha256(camera_id.encode()).digest()[:8], "big") % 100


def _value(camera: Camera, name: str) -> str:
    if name == "id":
        return camera.camera_id
    if name in _FIELDS:
        return str(getattr(camera, name))
    return camera.tags.get(name, "")

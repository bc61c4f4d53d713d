"""Predictions as `cvops tail predictions --json` prints them."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvops_sim.errors import ScoreError


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model said of one frame.

    Attributes:
        camera_id: whose frame; with `captured_at_ns` it names the frame.
        captured_at_ns: nanoseconds since the epoch.
        size_wh: of the frame that the model saw, px.
        xyxy: float32 (N, 4), px.
        scores: float32 (N,).
        class_names: N of them.
        model: "name:version".
        role: "champion", "challenger", "shadow" or "replay".
    """

    camera_id: str
    captured_at_ns: int
    size_wh: tuple[int, int]
    xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    class_names: tuple[str, ...]
    model: str = ""
    role: str = "champion"


def read_predictions(
    lines: Iterable[str], classes: Sequence[str], renamed: Mapping[str, str] | None = None
) -> Iterator[Predicted]:
    """Detections in JSON lines; predictions without boxes are left out.

    Args:
        lines: one event each.
        classes: names by class id of the model.
        renamed: names of the model -> names of the truth, e.g. {"person": "pedestrian"}.

    Raises:
        ScoreError: a line is no prediction, or has a class id beyond `classes`.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)["event"]
            if "detections" in event:
                yield _predicted(event, classes, renamed or {})
        except (ValueError, KeyError, TypeError) as error:
            raise ScoreError(
                f"predictions, line {number}: no event of `cvops tail predictions --json` ({error!r})"
            ) from error
        except IndexError as error:
            raise ScoreError(
                f"predictions, line {number}: a class id is beyond the {len(classes)} classes given; "
                "name the classes of the model with --classes"
            ) from error


def _predicted(event: Mapping[str, object], classes: Sequence[str], renamed: Mapping[str, str]) -> Predicted:
    def column(name: str, kind: str) -> npt.NDArray[np.generic]:
        return np.frombuffer(base64.b64decode(found.get(name, "")), kind)

    found: Mapping[str, str] = event["detections"]  # type: ignore[assignment]
    model: Mapping[str, str] = event.get("model", {})  # type: ignore[assignment]
    names = [classes[int(index)] for index in column("class_id", "<u2")]
    return Predicted(
        camera_id=str(event["camera_id"]),
        captured_at_ns=int(np.datetime64(str(event["captured_at"]).removesuffix("Z"), "ns").astype(np.int64)),
        size_wh=(int(str(event["width"])), int(str(event["height"]))),
        xyxy=column("xyxy", "<f4").reshape(-1, 4).astype(np.float32),
        scores=column("score", "<f4").astype(np.float32),
        class_names=tuple(renamed.get(name, name) for name in names),
        model=f"{model.get('name', '')}:{model.get('version', '')}",
        role=str(event.get("role", "")).removeprefix("MODEL_ROLE_").lower(),
    )

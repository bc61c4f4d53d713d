"""An annotator who knows the truth: leases tasks of a platform and labels them from a truth file that grows."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TextIO

from cvops.client import Client
from cvops.errors import ConnectionFailed, CvopsError
from cvops_protos.v1.labeling_pb2 import Annotation, Author, Task
from cvops_sim.truth import FrameTruth

NAME = "oracle"
_MOST_TRUTHS = 200_000
_TASKS = 20
_TRUTH_S = 10.0
_HANDS = 4
"""Labels on their way at once: each waits for the journal of the platform, which takes several together."""


class TruthFollower:
    """Reads a truth file while it is written; keeps the newest 200,000 frames."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._rest = ""
        self._truths: OrderedDict[tuple[str, int], FrameTruth] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def find(self, camera_id: str, captured_at_ns: int) -> FrameTruth | None:
        """The truth of a frame; None when it is not written yet or too old."""
        found = self._truths.get((camera_id, captured_at_ns))
        return found or (self._truths.get((camera_id, captured_at_ns)) if self.read() else None)

    def read(self) -> Sequence[FrameTruth]:
        """What was written since the last time."""
        if self._file is None:
            if not self._path.exists():
                return []
            self._file = self._path.open()
        lines = (self._rest + self._file.read()).split("\n")
        self._rest = lines.pop()
        fresh = [FrameTruth.from_json(json.loads(line)) for line in lines]
        for truth in fresh:
            self._truths[truth.camera_id, truth.captured_at_ns] = truth
        while len(self._truths) > _MOST_TRUTHS:
            self._truths.popitem(last=False)
        return fresh


@dataclass(slots=True)
class Labelled:
    """What an oracle did: frames it labelled, and those whose truth it does not know."""

    labelled: int = 0
    skipped: int = 0


def label_tasks(
    client: Client,
    truths: TruthFollower,
    *,
    project: str,
    classes: Sequence[str],
    renamed: Mapping[str, str],
    stop: Callable[[], bool],
    pause_s: float = 0.5,
    on_progress: Callable[[Labelled], None] = lambda _: None,
) -> Labelled:
    """Labels every task of a project until `stop` says so; a platform that is away is waited for.

    Args:
        client: of the platform, with the role of an annotator.
        truths: where the truth is written.
        project: whose tasks.
        classes: that are labelled; other objects are left out.
        renamed: classes of the truth -> those of the project, e.g. {"van": "car"}.
        stop: asked between tasks.
        pause_s: between looks for tasks when there is none.
        on_progress: called after each label.
    """
    done = Labelled()
    with ThreadPoolExecutor(_HANDS, "label") as hands:
        while not stop():
            try:
                tasks = client.labeling.lease(project, _TASKS, NAME)
                answers = []
                for task in tasks:
                    if stop():
                        break
                    truth = _await_truth(truths, task)
                    labels = None if truth is None else annotations_of(truth, classes, renamed)
                    answers.append(hands.submit(_label, client, task, labels))
                for answer in answers:
                    labelled, skipped = answer.result()
                    done.labelled += labelled
                    done.skipped += skipped
                    on_progress(done)
            except ConnectionFailed:
                tasks = []
            if not tasks:
                time.sleep(pause_s)
    return done


def _label(client: Client, task: Task, labels: Sequence[Annotation] | None) -> tuple[bool, bool]:
    """Whether a task was labelled, and whether it was skipped, as one without a known truth is."""
    try:
        client.labeling.submit(
            task, labels or [], Author(kind=NAME, name=NAME), task.revision, 0.0, skip=labels is None
        )
    except ConnectionFailed:
        raise
    except CvopsError:
        return False, False  # somebody was faster, or the lease is over
    return labels is not None, labels is None


def _await_truth(truths: TruthFollower, task: Task) -> FrameTruth | None:
    deadline_s = time.monotonic() + _TRUTH_S
    while (found := truths.find(task.camera_id, task.captured_at.ToNanoseconds())) is None:
        if time.monotonic() > deadline_s:
            return None
        time.sleep(0.05)
    return found


def annotations_of(truth: FrameTruth, classes: Sequence[str], renamed: Mapping[str, str]) -> list[Annotation]:
    """The objects of a frame as annotations; those that do not count are to be ignored."""
    found = []
    for thing in truth.objects:
        name = renamed.get(thing.class_name, thing.class_name)
        if name not in classes:
            continue
        left, top, right, bottom = thing.xyxy
        box = Annotation.Box(left=left, top=top, width=right - left, height=bottom - top)
        found.append(Annotation(id=thing.track_id, class_name=name, box=box, ignore=bool(thing.ignored)))
    return found

"""Frames that an episode chose, with their labels, as a section of its page."""

from collections.abc import Sequence
from html import escape

from cvops.client import Client
from cvops.errors import CvopsError
from cvops.frame_pictures import figure, images_of
from cvops_protos.v1.alerting_pb2 import Episode
from cvops_protos.v1.labeling_pb2 import Label, Task

_MOST = 12
_TASKS = 1000


def chosen_frames(client: Client, episode: Episode) -> str:
    """Twelve of the frames, of each reason in turn, as HTML; empty when none was chosen or none is kept."""
    try:
        tasks = client.labeling.tasks(episode.project, episode_id=episode.episode_id, limit=_TASKS).tasks
        labels = {label.frame_id: label for label in client.labeling.export(episode.project, episode.episode_id)}
    except CvopsError as error:
        return f"<p>There are no pictures, because labeling did not answer: {escape(str(error))}</p>"
    shown = _of_each_reason([task for task in tasks if task.selection_id == episode.selection_id])
    images = images_of(client, (task.frame_id for task in shown))
    classes = sorted({each.class_name for label in labels.values() for each in label.annotations})
    figures = [
        figure(images[task.frame_id], _caption(task), labels.get(task.frame_id, Label()).annotations, classes)
        for task in shown
        if task.frame_id in images
    ]
    return f"<h2>Frames that were chosen</h2><div class=grid>{''.join(figures)}</div>" if figures else ""


def _caption(task: Task) -> str:
    return f"{task.camera_id}, {task.captured_at.ToDatetime():%H:%M:%S}: {task.reason}"


def _of_each_reason(tasks: Sequence[Task]) -> list[Task]:
    """One of each reason, then another, until there are enough; ids are as good as a draw over cameras and time."""
    by_reason: dict[str, list[Task]] = {}
    for task in sorted(tasks, key=lambda task: task.task_id):
        by_reason.setdefault(task.reason, []).append(task)
    deepest = max(map(len, by_reason.values()), default=0)
    return [group[at] for at in range(deepest) for group in by_reason.values() if at < len(group)][:_MOST]

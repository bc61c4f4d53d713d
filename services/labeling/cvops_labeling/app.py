"""The map of labeling: what comes in, what it needs, what goes out. No I/O happens here."""

from collections.abc import Sequence
from typing import Any

from cvops_common.access import Role
from cvops_common.app import App, GrpcService
from cvops_common.bus import Bus
from cvops_common.mongo import connect
from cvops_common.objects import Objects
from cvops_common.outbox import Outbox
from cvops_common.records import Record
from cvops_common.rounds import Rounds
from cvops_common.topics import DRIFT_EVENTS, EPISODES, MODEL_RELEASED, PREDICTIONS, ROLLOUTS
from cvops_labeling.assets import Assets
from cvops_labeling.audits import Audits
from cvops_labeling.catalog import Catalog
from cvops_labeling.class_names import ClassNames
from cvops_labeling.dataset_book import DatasetBook
from cvops_labeling.episode_steps import EpisodeSteps
from cvops_labeling.exemplars import Exemplars
from cvops_labeling.imports import Imports
from cvops_labeling.label_book import LabelBook
from cvops_labeling.metrics import OPEN_TASKS
from cvops_labeling.project_book import ProjectBook
from cvops_labeling.search import Search
from cvops_labeling.selections import Selections
from cvops_labeling.service import Labeling
from cvops_labeling.servicer import LabelingServicer
from cvops_labeling.settings import LabelingSettings
from cvops_labeling.task_book import TaskBook
from cvops_protos.v1.labeling_pb2_grpc import add_LabelingServicer_to_server
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_vision.probe import ImageLimits

_OPERATE = frozenset({Role.OPERATOR})
_LABEL = frozenset({Role.ANNOTATOR, Role.OPERATOR})
_ROLES = {
    "ApplyProject": _OPERATE,
    "ListProjects": _LABEL,
    "SearchFrames": _LABEL,
    "TagFrames": _LABEL,
    "SelectFrames": _OPERATE,
    "LeaseTasks": _LABEL,
    "ListTasks": _LABEL,
    "GetAsset": _LABEL,
    "SubmitLabel": _LABEL,
    "ImportImages": _OPERATE,
    "ExportLabels": _LABEL,
    "ReleaseDataset": _OPERATE,
    "ListDatasets": _LABEL,
}


def build(settings: LabelingSettings) -> App:
    """Wires labeling."""
    bus = Bus.of(settings, "labeling")
    mongo, objects = connect(settings.mongo, "labeling"), Objects(settings.objects)
    outbox, assets, names = Outbox(mongo, bus), Assets(objects), ClassNames(objects)
    projects, exemplars = ProjectBook(mongo, outbox), Exemplars(mongo)
    catalog = Catalog(mongo, names, assets, projects, settings.seen_hours)
    tasks = TaskBook(mongo, projects, names)
    labels = LabelBook(mongo, outbox, tasks, projects, names)
    selections = Selections(mongo, outbox, catalog, assets, tasks, projects, exemplars)
    datasets = DatasetBook(mongo, outbox, objects, labels, projects)
    limits = ImageLimits(max_bytes=settings.max_image_mb * 2**20, max_pixels=settings.max_image_mpx * 10**6)
    imports = Imports(mongo, outbox, assets, tasks, labels, limits)
    labeling = Labeling(projects, catalog, Search(mongo), assets, tasks, labels, selections, imports, datasets)
    episodes = EpisodeSteps(mongo, selections, tasks, datasets, settings)
    audits = Audits(mongo, catalog, selections, tasks, labels, settings)

    async def look() -> None:
        """What happens by time. Several replicas may look: every step is made once, whoever makes it."""
        await episodes.step()
        await audits.step()
        OPEN_TASKS.set(await tasks.pending())

    @bus.table(MODEL_RELEASED)
    async def on_model_released(records: Sequence[Record[ModelReleased]]) -> None:
        await names.on_released(records)

    # One subscription: with several a group settles in several rounds of seconds.
    @bus.subscribe(PREDICTIONS, DRIFT_EVENTS, EPISODES, ROLLOUTS, max_records=settings.batch)
    async def on_events(records: Sequence[Record[Any]]) -> None:
        await catalog.observe([each for each in records if each.topic == PREDICTIONS])
        await exemplars.observe([each for each in records if each.topic == DRIFT_EVENTS])
        await episodes.observe([each for each in records if each.topic == EPISODES])
        await audits.observe([each for each in records if each.topic == ROLLOUTS])

    return App(
        bus=bus,
        grpc=[GrpcService(add_LabelingServicer_to_server, LabelingServicer(labeling), _ROLES)],
        before=[mongo, catalog, tasks, labels, datasets],
        after=[outbox, Rounds(look, every_s=settings.look_every_s, what="episodes and rollouts")],
        checks={"mongo": mongo.check},
    )

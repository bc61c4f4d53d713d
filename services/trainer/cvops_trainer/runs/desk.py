"""Takes orders for runs: by hand, and from datasets of episodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from uuid import uuid4

from cvops_common.errors import NotFound, Overloaded
from cvops_common.telemetry import logger
from cvops_protos.v1.labeling_pb2 import DatasetReleased
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.project_pb2 import Project
from cvops_protos.v1.trainer_pb2 import ModelVersion
from cvops_protos.v1.training_pb2 import TrainingRun
from cvops_trainer.fleet import Fleet
from cvops_trainer.registry import Registry
from cvops_trainer.releases import DEFAULT_PROJECT, Releases
from cvops_trainer.runs.order import RunOrder
from cvops_trainer.runs.store import RunStore
from cvops_trainer.settings import TrainerSettings

log = logger(__name__)

_MOST_QUEUED = 100


class RunDesk:
    """Queues runs; who watches them is told by `on_queued`."""

    def __init__(
        self,
        store: RunStore,
        registry: Registry,
        releases: Releases,
        fleet: Fleet,
        settings: TrainerSettings,
        on_queued: Callable[[], None],
    ) -> None:
        self._store = store
        self._registry = registry
        self._releases = releases
        self._fleet = fleet
        self._settings = settings
        self._on_queued = on_queued

    async def start(
        self,
        project: str,
        dataset: str,
        *,
        recipe: str = "",
        params: Mapping[str, str] | None = None,
        base: str = "",
        reason: str = "",
    ) -> TrainingRun:
        """Queues a run.

        Args:
            project: empty means "default".
            dataset: "name" or "name:version".
            recipe: empty: of the project.
            params: over those of the project.
            base: "name:version" to begin from; empty: the champion; "none": from nothing.
            reason: why, in one sentence.

        Raises:
            NotFound: no such dataset or model, or none of the name that the project replays.
            Overloaded: a hundred runs wait already.
        """
        found = await self._store.dataset(project or DEFAULT_PROJECT, dataset)
        wish = self._fleet.project(found.project)
        version = await self._base(found, base)
        run = self._new(
            uuid4().hex, found, wish, version, recipe or wish.training.recipe, reason or "asked for by hand"
        )
        given = dict(wish.training.params) | dict(params or {})
        await self._queue(run, found, wish, version, given, episode_id="")
        return run

    async def on_datasets(self, datasets: Sequence[DatasetReleased]) -> None:
        """Learns datasets; one of an episode is trained on at once."""
        for dataset in datasets:
            await self._store.learn(dataset)
            if not dataset.episode_id:
                continue
            wish = self._fleet.project(dataset.project)
            version = await self._base(dataset, "")
            run_id = sha256(f"{dataset.episode_id}\0{dataset.manifest_sha256}".encode()).hexdigest()[:32]
            reason = f"labels of episode {dataset.episode_id[:8]}"
            run = self._new(run_id, dataset, wish, version, wish.training.recipe, reason)
            run.episode_id = dataset.episode_id
            params = dict(wish.training.params)
            await self._queue(run, dataset, wish, version, params, episode_id=dataset.episode_id)

    async def _base(self, dataset: DatasetReleased, wished: str) -> ModelVersion | None:
        if wished == "none":
            return None
        if wished:
            return await self._registry.find(wished)
        releases = await self._releases.serving()
        release = self._fleet.serving_most(releases, dataset.project, list(dataset.cameras))
        return None if release is None else await self._registry.find(_named(release))

    def _new(
        self, run_id: str, dataset: DatasetReleased, wish: Project, base: ModelVersion | None, recipe: str, reason: str
    ) -> TrainingRun:
        run = TrainingRun(
            run_id=run_id,
            project=dataset.project,
            state=TrainingRun.STATE_QUEUED,
            recipe=recipe,
            reason=reason,
            dataset=f"{dataset.name}:{dataset.version}",
            dataset_uri=dataset.manifest_uri,
            dataset_sha256=dataset.manifest_sha256,
            replay=wish.training.replay,
            cameras=dataset.cameras,
        )
        if base is not None:
            run.base.name, run.base.version, run.base.bundle_sha256 = base.name, base.version, base.bundle_sha256
        return run

    async def _queue(
        self,
        run: TrainingRun,
        dataset: DatasetReleased,
        wish: Project,
        base: ModelVersion | None,
        params: Mapping[str, str],
        episode_id: str,
    ) -> None:
        if len(await self._store.unfinished()) >= _MOST_QUEUED:
            raise Overloaded(f"{_MOST_QUEUED} runs wait already: cancel some with `cvops runs cancel`")
        limits = {
            "most_clean_loss": wish.release.most_clean_loss,
            "least_gain": wish.release.least_gain,
            "most_class_loss": wish.release.most_class_loss,
            "most_latency_ratio": wish.release.most_latency_ratio,
        }
        old, missing = None, ""
        try:
            old = await self._store.dataset(run.project, wish.training.replay) if wish.training.replay else None
        except NotFound as error:
            if not episode_id:
                raise
            missing = f"the dataset that the project replays is not there: {error}"
        order = RunOrder(
            run_id=run.run_id,
            project=run.project,
            recipe=run.recipe,
            params=params,
            model=_model_name(dataset, wish, base),
            dataset=run.dataset,
            dataset_uri=run.dataset_uri,
            dataset_sha256=run.dataset_sha256,
            episode_id=episode_id,
            base_uri=base.bundle_uri if base is not None else "",
            base_sha256=base.bundle_sha256 if base is not None else "",
            base=f"{base.name}:{base.version}" if base is not None else "",
            limits=limits,
            objects=self._settings.objects,
            replay_uri=old.manifest_uri if old is not None else "",
            replay_sha256=old.manifest_sha256 if old is not None else "",
            save_every_s=self._settings.save_every_s,
            nice=self._settings.run_nice,
        )
        if await self._store.add(run, asdict(order)):
            log.info("run queued", run=run.run_id, dataset=run.dataset, recipe=run.recipe)
            if missing:
                await self._store.fail(run.run_id, missing)
        self._on_queued()


def _model_name(dataset: DatasetReleased, wish: Project, base: ModelVersion | None) -> str:
    """The next version of its base; a model of other classes is another model, named by its dataset."""
    if base is None or (wish.classes and list(wish.classes) != list(base.classes)):
        return dataset.name
    return base.name


def _named(release: ModelReleased) -> str:
    return f"{release.model.name}:{release.model.version}"

"""From labelled examples to a judged bundle: everything that a run does."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.bundle import Bundle, open_bundle
from cvops_bundles.session import open_session
from cvops_bundles.spec import IMAGE_INPUT, DetectionSpec, Gate
from cvops_common.errors import BadBundle
from cvops_training import loop, monitor
from cvops_training.calibration import fit_temperature
from cvops_training.errors import TrainingFailed
from cvops_training.evaluation import Evaluation, evaluate
from cvops_training.examples import Example
from cvops_training.export import Identity, base_weights, to_onnx, write
from cvops_training.gates import Judged, Limits, judge
from cvops_training.loop import Progress
from cvops_training.params import LoopParams
from cvops_training.predict import bundle_forward, predict, torch_forward
from cvops_training.recipe import Found, Recipe, as_input

CHECKPOINT = "checkpoint.pt"
_LEAST_NEW = 4
_LATENCY_RUNS = 15
_REFERENCE = 400
_WEAK = 0.05


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What judges a model, brought to the size of its input.

    Attributes:
        new: of what is to be learned.
        clean: of what was known; may be none.
    """

    new: Sequence[Example]
    clean: Sequence[Example]


@dataclass(frozen=True, eq=False)
class Data:
    """What a run learns from, and what it is judged by.

    Attributes:
        new: to be learned.
        replay: not to be forgotten.
        new_test: held out of the new.
        clean_test: held out of what was known; may be none.
        calibration: held out of both, for the temperature; may be none.
        champion: the held-out ones as the champion's input takes them; None: as those above.
    """

    new: Sequence[Example]
    replay: Sequence[Example]
    new_test: Sequence[Example]
    clean_test: Sequence[Example]
    calibration: Sequence[Example] = ()
    champion: HeldOut | None = None

    @property
    def held_out(self) -> HeldOut:
        """What judges the candidate."""
        return HeldOut(self.new_test, self.clean_test)


@dataclass(frozen=True, eq=False)
class Order:
    """What a run is asked for.

    Attributes:
        recipe: that trains.
        params: of the loop.
        classes: names by id.
        name: of the model.
        base: to begin from, and the one to beat; None: from nothing.
        limits: of the gates.
        lineage: for the bundle.
        note: one sentence for people.
        with_monitor: train an autoencoder when the base has none.
    """

    recipe: Recipe
    params: LoopParams
    classes: tuple[str, ...]
    name: str
    base: Bundle | None = None
    limits: Limits = field(default_factory=Limits)
    lineage: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    with_monitor: bool = True


@dataclass(frozen=True, eq=False)
class Candidate:
    """What came of a run.

    Attributes:
        bundle: the file.
        sha256: of it.
        metrics: of the candidate by name, e.g. "new.map50", "clean.ap50:car".
        base_metrics: of the base; empty without one.
        gates: that it went through; empty without a base.
        losses: of every step.
        cpu_s: CPU time of training, judging and export.
        temperature: of its scores.
        passed: every gate.
    """

    bundle: Path
    sha256: str
    metrics: Mapping[str, float]
    base_metrics: Mapping[str, float]
    gates: tuple[Gate, ...]
    losses: tuple[float, ...]
    cpu_s: float
    temperature: float

    @property
    def passed(self) -> bool:
        """Every gate was passed."""
        return all(gate.passed for gate in self.gates)


def train_candidate(
    order: Order,
    data: Data,
    folder: Path,
    *,
    save_every_s: float = 5.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_judging: Callable[[], None] = lambda: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Candidate:
    """Trains, calibrates, exports and judges a model; called again after an interruption it goes on.

    Args:
        order: what is asked for.
        data: labelled examples.
        folder: for the checkpoint and the bundle; the same one after an interruption.
        save_every_s: seconds between two checkpoints.
        on_progress: called after each step.
        on_judging: called when the training is over.
        should_stop: asked after each step.

    Raises:
        TrainingFailed: too few labels, a loss that is no number, weights of another network, an export that differs.
        Stopped: `should_stop` said so.
        OSError: the folder cannot be written.
    """
    if len(data.new) < _LEAST_NEW:
        raise TrainingFailed(f"{len(data.new)} new images to train on: expected {_LEAST_NEW} or more; label more")
    weights = base_weights(order.base, order.recipe, order.classes) if order.base is not None else None
    trained = loop.train(
        order.recipe,
        order.params,
        new=data.new,
        replay=data.replay,
        classes=len(order.classes),
        base=weights,
        known=_known(order),
        checkpoint_file=folder / CHECKPOINT,
        save_every_s=save_every_s,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    on_judging()
    began_s = time.process_time()
    detection = order.recipe.detection_spec()
    exported = torch_forward(order.recipe.exported(trained.model, 1.0).eval())
    calibration = data.calibration or [*data.new_test, *data.clean_test]
    temperature = fit_temperature(calibration, predict(exported, calibration, detection)[0])
    pictures = [example.picture for example in [*data.new, *data.replay]]
    written = write(
        order.recipe,
        trained.model,
        Identity(order.name, order.classes, lineage=order.lineage, note=order.note),
        temperature=temperature,
        pictures=pictures,
        monitor=_monitor(order, pictures),
        reference=_reference(exported, data, detection),
        folder=folder,
    )
    bundle = open_bundle(written.path)
    metrics, base_metrics, gates = _judge(order, bundle, data)
    cpu_s = trained.cpu_s + time.process_time() - began_s
    return Candidate(written.path, written.sha256, metrics, base_metrics, gates, trained.losses, cpu_s, temperature)


def _known(order: Order) -> Sequence[int]:
    """Ids of the classes that the base knows by name."""
    names = order.base.spec.classes if order.base is not None else ()
    return [number for number, name in enumerate(order.classes) if name in names]


def _monitor(order: Order, pictures: Sequence[NDArray[np.uint8]]) -> bytes | None:
    """The base's monitor, which knows what the fleet looks like; else a new one."""
    size = order.recipe.input_spec()
    if order.base is not None and order.base.spec.input == size and (own := order.base.monitor_bytes()) is not None:
        return own
    if not order.with_monitor:
        return None
    model, _ = monitor.train_monitor(pictures, seed=order.params.seed)
    return to_onnx(model, (size.height, size.width), ("outlier_score",))


def _reference(
    forward: Callable[[NDArray[np.uint8]], Mapping[str, NDArray[Any]]], data: Data, detection: DetectionSpec
) -> dict[str, NDArray[Any]]:
    """Embeddings of what it was trained on: mean (D,), covariance (D, D), and how many there are."""
    chosen = [*data.new, *data.replay][:_REFERENCE]
    _, embeddings = predict(forward, chosen, detection)
    return {
        "embedding_mean": embeddings.mean(axis=0).astype(np.float32),
        "embedding_covariance": np.cov(embeddings, rowvar=False).astype(np.float32),
        "embedding_count": np.array(len(embeddings), np.int64),
    }


def _judge(order: Order, bundle: Bundle, data: Data) -> tuple[dict[str, float], dict[str, float], tuple[Gate, ...]]:
    champion_latency, latency = _latencies_ms(order.base, bundle)
    candidate = _judged(bundle, data.held_out, order.classes, latency)
    if order.base is None:
        return _metrics(candidate), {}, ()
    champion = _judged(order.base, data.champion or data.held_out, order.classes, champion_latency)
    return _metrics(candidate), _metrics(champion), judge(candidate, champion, order.limits)


def _judged(bundle: Bundle, held_out: HeldOut, classes: Sequence[str], latency_ms: float) -> Judged:
    forward, own = bundle_forward(bundle), bundle.spec.detection
    if own is None:
        raise BadBundle(f"{bundle.spec.name} is no detector: a candidate is compared with a detector")
    # Average precision looks at weak detections too, also of a model that is served without them.
    detection = replace(own, score_threshold=min(own.score_threshold, _WEAK))

    examples = [*held_out.new, *held_out.clean]
    found = [_renamed(one, bundle.spec.classes, classes) for one in predict(forward, examples, detection)[0]]

    def on(chosen: Sequence[int]) -> Evaluation | None:
        if not chosen:
            return None
        return evaluate([examples[at] for at in chosen], [found[at] for at in chosen], classes)

    slices: dict[str, list[int]] = {}
    for at, example in enumerate(examples):
        for name in example.slices:
            slices.setdefault(name, []).append(at)
    in_slices = {name: each for name, chosen in sorted(slices.items()) if (each := on(chosen)) is not None}
    everything, new = range(len(examples)), len(held_out.new)
    return Judged(on(everything[:new]), on(everything[new:]), in_slices, latency_ms)


def _renamed(found: Found, known: Sequence[str], classes: Sequence[str]) -> Found:
    """Detections by the class ids of the candidate; those of classes that it does not know are left out."""
    ids = np.array([classes.index(name) if name in classes else -1 for name in known], np.int64)[found.class_ids]
    kept = ids >= 0
    return Found(found.boxes[kept], found.scores[kept], ids[kept])


def _metrics(judged: Judged) -> dict[str, float]:
    metrics = {"latency_ms": judged.latency_ms}
    for name, found in (
        ("new", judged.new),
        ("clean", judged.clean),
        *((f"slice:{k}", v) for k, v in judged.slices.items()),
    ):
        if found is None:
            continue
        metrics |= {f"{name}.map50": found.map50, f"{name}.map": found.map, f"{name}.f1": float(found.f1.mean())}
        metrics |= {f"{name}.ap50:{label}": value for label, value in found.ap50.items()}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _latencies_ms(base: Bundle | None, candidate: Bundle) -> tuple[float, float]:
    """Median time of one picture of both, in turns, so that a busy machine disturbs them alike."""
    bundles = [bundle for bundle in (base, candidate) if bundle is not None]
    sessions = [open_session(bundle.model_bytes()) for bundle in bundles]
    inputs = [
        as_input([np.zeros((bundle.spec.input.height, bundle.spec.input.width, 3), np.uint8)]).numpy()
        for bundle in bundles
    ]
    times: list[list[float]] = [[] for _ in bundles]
    for _ in range(_LATENCY_RUNS):
        for session, picture, taken in zip(sessions, inputs, times, strict=True):
            began_s = time.perf_counter()
            session.run(None, {IMAGE_INPUT: picture})
            taken.append(1e3 * (time.perf_counter() - began_s))
    medians = [float(np.median(taken)) for taken in times]
    return medians[0], medians[-1]

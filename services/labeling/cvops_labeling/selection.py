"""Which frames are worth a label. Pure: frames and a seed in, picks with reasons out.

An unbiased part is drawn at random, evenly over cameras and time, and held out. The rest is for training: frames like
those that drift showed, frames the model was unsure of, frames unlike the others, and frames far from all chosen ones.
Every reason takes its turn at every camera. Budgets count frames and predicted boxes.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvops_labeling.pool import Candidate, Pool
from cvops_labeling.sides import LEAST_HELD, TRAIN, Taken, sides, stretches

GAP_S = 10.0
_HELD = "random"
# Of the frames for training; what remains is for "diverse".
_EXEMPLAR, _UNCERTAIN, _NOVEL = 0.10, 0.50, 0.15
# Frames of one camera closer than this are chosen only when there are no others, s.
_SPACING_S = 1.0


@dataclass(frozen=True, slots=True)
class Picked:
    """A chosen frame.

    Attributes:
        frame_id: which.
        reason: "random", "exemplar", "uncertain", "novel" or "diverse".
        strength: comparable inside one reason only.
        split: "train", "val" or "test".
    """

    frame_id: str
    reason: str
    strength: float
    split: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be labelled.

    Attributes:
        frames: at most so many.
        boxes: at most so many predicted boxes; a frame counts at least 1.
        random_share: of both, drawn at random and held out, 0..1; at least a quarter is.
        duplicate_bits: frames of a camera whose dHash differs in fewer bits are near-duplicates.
    """

    frames: int
    boxes: int
    random_share: float
    duplicate_bits: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, in the order in which it should be labelled.

    Attributes:
        picks: without near-duplicates among those for training.
        candidates: frames among which was chosen.
        duplicates: near-duplicates that were left out.
        boxes: predicted boxes of all picks.
    """

    picks: tuple[Picked, ...]
    candidates: int
    duplicates: int
    boxes: int


def choose(
    candidates: Sequence[Candidate],
    budget: Budget,
    *,
    seed: int,
    exemplars: frozenset[str] = frozenset(),
    taken: Sequence[Taken] = (),
) -> Choice:
    """Chooses frames; the same input and seed give the same choice, in whatever order the candidates come.

    Args:
        candidates: frames of all cameras.
        budget: what may be labelled.
        seed: e.g. of the episode's id.
        exemplars: frames that drift showed.
        taken: frames whose side is settled, of earlier choices.
    """
    if not candidates:
        return Choice((), 0, 0, 0)
    rng = np.random.Generator(np.random.PCG64(seed))
    share = max(budget.random_share, LEAST_HELD)
    pool = Pool(sorted(candidates, key=lambda each: each.frame_id))
    spans = {camera: (times.min(), times.max()) for camera, times in pool.times_by_camera().items()}
    split = sides(pool.cameras, pool.at_s, stretches(spans, share, GAP_S, rng), taken, GAP_S)
    chosen = _Chosen(pool, budget)
    held = np.array([each not in ("", TRAIN) for each in split])
    for_training = np.array([each == TRAIN for each in split])
    held_frames = math.ceil(round(share * budget.frames, 3)) if for_training.any() else budget.frames
    _draw(chosen, held, held_frames, share, rng)
    if held.any():
        # A quarter at least is held out, also where little could be.
        train_frames = min(budget.frames - len(chosen.picked), math.floor(len(chosen.picked) * (1 / LEAST_HELD - 1)))
    else:
        train_frames = budget.frames
    _rank(chosen, for_training, train_frames, exemplars)
    order = rng.permutation(len(chosen.picked))
    picks = [chosen.picked[i] for i in order]
    return Choice(
        tuple(Picked(pool.ids[i], reason, strength, split[i]) for i, reason, strength in picks),
        len(pool.ids),
        len(chosen.duplicates - {i for i, _, _ in picks}),
        int(sum(pool.boxes[i] for i, _, _ in picks)),
    )


class _Chosen:
    """What was taken so far, and whether one more fits."""

    def __init__(self, pool: Pool, budget: Budget) -> None:
        self.pool = pool
        self.bits = budget.duplicate_bits
        self.boxes_left = float(budget.boxes)
        self.picked: list[tuple[int, str, float]] = []
        self.duplicates: set[int] = set()
        self._chosen: set[int] = set()
        self._for_training: list[int] = []

    def add(self, i: int, reason: str, strength: float) -> bool:
        """Takes frame `i` when the budget of boxes allows; the first frame always fits."""
        cost = max(1, int(self.pool.boxes[i]))
        if cost > self.boxes_left and self.picked:
            return False
        self.boxes_left -= cost
        self.picked.append((i, reason, strength))
        self._chosen.add(i)
        if reason != _HELD:
            self._for_training.append(i)
        return True

    def fits(self, i: int, spacing_s: float, bits: int) -> bool:
        """Whether frame `i` is neither a near-duplicate of one for training of its camera nor too close to it in time.

        Held-out frames are far off in time by their side; where nothing moves they look alike all the same.
        """
        if i in self._chosen:
            return False
        same = [k for k in self._for_training if self.pool.cameras[k] == self.pool.cameras[i]]
        if not same:
            return True
        if (self.pool.differing_bits(i, same) < bits).any():
            self.duplicates.add(i)
            return False
        return bool((np.abs(self.pool.at_s[same] - self.pool.at_s[i]) >= spacing_s).all())


def _draw(chosen: _Chosen, held: NDArray[np.bool_], frames: int, share: float, rng: np.random.Generator) -> None:
    """Random frames, the same number of every camera, each from a part of its time of its own."""
    pool = chosen.pool
    by_camera = [np.flatnonzero(held & pool.is_camera(camera)) for camera in pool.camera_names]
    queues = [_over_time(pool.at_s, indices, frames, rng) for indices in by_camera if indices.size]
    boxes_left, begun = share * chosen.boxes_left, len(chosen.picked)
    for i in _by_turns(queues):
        cost = max(1, int(pool.boxes[i]))
        if len(chosen.picked) - begun >= frames or (cost > boxes_left and len(chosen.picked) > begun):
            break
        boxes_left -= cost
        chosen.add(i, _HELD, 1.0)


def _over_time(
    at_s: NDArray[np.float64], indices: NDArray[np.intp], frames: int, rng: np.random.Generator
) -> list[int]:
    """Up to `frames` of `indices`: one at random from each of as many equal parts of their order in time."""
    ordered = indices[np.argsort(at_s[indices], kind="stable")]
    parts = np.array_split(ordered, min(frames, len(ordered)))
    drawn = [int(rng.choice(part)) for part in parts]
    return [drawn[i] for i in rng.permutation(len(drawn))]


def _rank(chosen: _Chosen, usable: NDArray[np.bool_], frames: int, exemplars: frozenset[str]) -> None:
    """Frames for training, by reason, until the budget is used."""
    pool, begun = chosen.pool, len(chosen.picked)
    near = pool.likeness(np.array([each in exemplars for each in pool.ids]))
    for reason, strength, share in (
        ("exemplar", near, _EXEMPLAR),
        ("uncertain", pool.uncertainty, _UNCERTAIN),
        ("novel", pool.novelty(usable), _NOVEL),
    ):
        _best(chosen, usable, strength, reason, round(share * frames))
    _farthest(chosen, usable, frames - (len(chosen.picked) - begun))
    # The hash is blind to what is small: where all looks alike to it, half of the budget is still used.
    if (missing := frames // 2 - (len(chosen.picked) - begun)) > 0:
        chosen.bits = 0
        _best(chosen, usable, pool.uncertainty, "uncertain", missing, (_SPACING_S,))


def _best(
    chosen: _Chosen,
    usable: NDArray[np.bool_],
    strength: NDArray[np.float64],
    reason: str,
    frames: int,
    spacings_s: Sequence[float] = (_SPACING_S, 0.0),
) -> None:
    """The strongest of each camera by turns, spread over time where there are enough."""
    pool, taken = chosen.pool, 0
    for spacing_s in spacings_s:
        queues = []
        for camera in pool.camera_names:
            mine = np.flatnonzero(usable & pool.is_camera(camera) & (strength > 0))
            queues.append([int(i) for i in mine[np.argsort(-strength[mine], kind="stable")]])
        for i in _by_turns(queues, lambda i: chosen.fits(i, spacing_s, chosen.bits)):  # noqa: B023
            if taken >= frames:
                return
            taken += chosen.add(i, reason, float(strength[i]))


def _farthest(chosen: _Chosen, usable: NDArray[np.bool_], frames: int) -> None:
    """Greedily the frame that is farthest from all chosen ones."""
    pool = chosen.pool
    distance = np.full(len(pool.ids), np.inf)
    for i, _, _ in chosen.picked:
        distance = np.minimum(distance, pool.distances(i))
    left = np.where(usable, distance, -np.inf)
    while frames > 0 and (left > -np.inf).any():
        i = int(np.argmax(left))
        strength, left[i] = left[i], -np.inf
        if not chosen.fits(i, 0.0, chosen.bits) or not chosen.add(i, "diverse", float(min(strength, 1e9))):
            continue
        frames -= 1
        left = np.where(left > -np.inf, np.minimum(left, pool.distances(i)), -np.inf)


def _by_turns(queues: Sequence[Sequence[int]], wanted: Callable[[int], bool] = lambda _: True) -> Iterable[int]:
    """One wanted item of each queue in turn, until all are empty."""
    running = [iter(queue) for queue in queues]
    while running:
        for queue in list(running):
            found = next((i for i in queue if wanted(i)), None)
            if found is None:
                running.remove(queue)
            else:
                yield found

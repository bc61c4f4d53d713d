"""The loop: order, replay, schedule, freezing, averages, checkpoints and stops, the same for every recipe.

Two things keep a fine-tune from forgetting: examples of what was known are replayed, and what the base answers to them
is to be answered still.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cvops_training import checkpoint
from cvops_training.errors import TrainingFailed
from cvops_training.examples import Example
from cvops_training.params import LoopParams
from cvops_training.recipe import Recipe
from cvops_training.teaching import Teacher
from cvops_training.windows import Windows

_FLOOR = 1e-5
_GROUPS = ("backbone", "neck", "head")
_FIRST = {"none": 0, "neck": 1, "head": 2}


@dataclass(frozen=True, slots=True)
class Progress:
    """One step.

    Attributes:
        step: finished steps, of `steps`.
        steps: in all.
        loss: of the batch.
        learning_rate: of the step.
        cpu_s: CPU time of this process so far, restarts included.
        again: it was done before an interruption.
    """

    step: int
    steps: int
    loss: float
    learning_rate: float
    cpu_s: float
    again: bool = False


@dataclass(frozen=True, eq=False)
class Trained:
    """A model that has learned.

    Attributes:
        model: in evaluation mode.
        losses: of every step.
        cpu_s: CPU time, restarts included.
    """

    model: nn.Module
    losses: tuple[float, ...]
    cpu_s: float


class Stopped(Exception):
    """Somebody asked for the training to stop; its checkpoint is written."""


def train(
    recipe: Recipe,
    params: LoopParams,
    *,
    new: Sequence[Example],
    replay: Sequence[Example],
    classes: int,
    base: Mapping[str, torch.Tensor] | None,
    known: Sequence[int] | None = None,
    checkpoint_file: Path | None = None,
    save_every_s: float = 5.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Trains a model; an interrupted training goes on from its checkpoint with the result of one that was not.

    Args:
        recipe: what is trained.
        params: how.
        new: examples that are to be learned.
        replay: examples that must not be forgotten; may be none.
        classes: how many.
        base: weights to begin from; None: from nothing.
        known: ids of the classes that the base knows; None: all.
        checkpoint_file: where the state is kept; None: nowhere.
        save_every_s: seconds between two checkpoints.
        on_progress: called after each step, and at once for those before an interruption.
        should_stop: asked after each step.

    Raises:
        TrainingFailed: there is nothing to learn from, or the loss is no number.
        Stopped: `should_stop` said so.
        OSError: the checkpoint cannot be written.
    """
    if not any(np.any(~example.ignore) for example in new):
        raise TrainingFailed(f"{len(new)} new images hold no object: label some with objects, or choose others")
    torch.set_num_threads(params.threads)
    torch.manual_seed(params.seed)
    model = recipe.build(classes, base)
    teacher = None
    if base is not None and params.distillation:
        teacher = Teacher(recipe, recipe.build(classes, base), range(classes) if known is None else known)
    run = _Run(recipe, params, model, Windows(params.window, new, classes), teacher)
    saved = checkpoint.load(checkpoint_file) if checkpoint_file else None
    if saved is not None:
        run.restore(saved)
        for progress in run.before():
            on_progress(progress)
    saved_at_s = time.monotonic()
    for indices in _batches(len(new), len(replay), params, run.step):
        examples = [new[at] if at < len(new) else replay[at - len(new)] for at in indices]
        progress = run.take(examples, classes, replayed=sum(at >= len(new) for at in indices))
        on_progress(progress)
        stop = should_stop()
        if checkpoint_file and (stop or time.monotonic() - saved_at_s > save_every_s):
            checkpoint.save(checkpoint_file, run.state())
            saved_at_s = time.monotonic()
        if stop:
            raise Stopped
    return Trained(run.finished(base), tuple(run.losses), run.cpu_s)


class _Run:
    """Model, optimiser and average, step by step."""

    def __init__(
        self, recipe: Recipe, params: LoopParams, model: nn.Module, windows: Windows, teacher: Teacher | None
    ) -> None:
        self._recipe, self._params, self.model, self._windows = recipe, params, model, windows
        self._teacher = teacher
        groups = recipe.groups(model)
        learning = _GROUPS[_FIRST[params.freeze] :]
        for name in _GROUPS:
            for module in groups[name]:
                module.requires_grad_(name in learning)
        self._frozen = [module for name in _GROUPS if name not in learning for module in groups[name]]
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
        decayed = [parameter for parameter in weights if parameter.ndim > 1]
        plain = [parameter for parameter in weights if parameter.ndim <= 1]
        self._weights = weights
        self._optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": params.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=params.learning_rate,
        )
        self._average = {name: value.clone() for name, value in model.state_dict().items()} if params.ema else {}
        self.step = 0
        self.losses: list[float] = []
        self._cpu_before_s = 0.0
        self._began_s = time.process_time()

    @property
    def cpu_s(self) -> float:
        """CPU time of this process, and of those before a restart."""
        return self._cpu_before_s + time.process_time() - self._began_s

    def take(self, examples: Sequence[Example], classes: int, *, replayed: int) -> Progress:
        """One step; the last `replayed` examples are of what was known."""
        self.model.train()
        for module in self.model.modules() if self._params.freeze_norm else _within(self._frozen):
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        rate = self._rate(self.step)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        random = np.random.default_rng((self._params.seed, self.step))
        seen = [self._windows.of(example, random) for example in examples]
        batch = self._recipe.batch(seen, random, classes)
        answers = self.model(batch.pictures)
        loss = self._recipe.loss(answers, batch)
        if self._teacher is not None and replayed:
            of_replayed = tuple(each[-replayed:] for each in answers)
            loss = loss + self._params.distillation * self._teacher.distance(batch.pictures[-replayed:], of_replayed)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingFailed(
                f"the loss is {value} at step {self.step + 1} of {self._params.steps}: lower learning_rate "
                f"({self._params.learning_rate:g}) or clip ({self._params.clip:g})"
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._weights, self._params.clip)
        self._optimiser.step()
        self.step += 1
        self.losses.append(value)
        self._follow()
        return Progress(self.step, self._params.steps, value, rate, self.cpu_s)

    def finished(self, base: Mapping[str, torch.Tensor] | None) -> nn.Module:
        """The model with the weights that count."""
        if self._average:
            self.model.load_state_dict(self._average)
        share = self._params.keep_base
        if base is not None and share:
            mixed = {
                name: torch.lerp(value, base[name], share)
                if value.is_floating_point() and name in base and base[name].shape == value.shape
                else value
                for name, value in self.model.state_dict().items()
            }
            self.model.load_state_dict(mixed)
        return self.model.eval()

    def state(self) -> dict[str, Any]:
        """All that is needed to go on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self._average,
            "step": self.step,
            "losses": self.losses,
            "cpu_s": self.cpu_s,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._average = state["average"]
        self.step, self.losses, self._cpu_before_s = state["step"], list(state["losses"]), state["cpu_s"]

    def before(self) -> Iterator[Progress]:
        """The steps that are done."""
        for done, loss in enumerate(self.losses):
            yield Progress(done + 1, self._params.steps, loss, self._rate(done), self.cpu_s, again=True)

    def _rate(self, done_steps: int) -> float:
        done, warm = done_steps / self._params.steps, self._params.warm_up
        falling = 0.5 * (1 + math.cos(math.pi * (done - warm) / max(1 - warm, 1e-9)))
        height = done / warm if done < warm else falling
        return self._params.learning_rate * height + _FLOOR

    def _follow(self) -> None:
        if not self._average:
            return
        decay = min(self._params.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                if value.is_floating_point():
                    self._average[name].lerp_(value, 1 - decay)
                else:
                    self._average[name].copy_(value)


def _within(modules: Sequence[nn.Module]) -> Iterator[nn.Module]:
    for module in modules:
        yield from module.modules()


def _batches(new: int, replay: int, params: LoopParams, done: int) -> Iterator[list[int]]:
    """Indices of each batch from step `done` on: new ones first, replayed ones after; a function of seed and step.

    Both kinds are gone through in shuffled rounds, so that each example comes as often as any other of its kind.
    """
    share = params.new_share if replay else 1.0
    of_new = min(params.batch, max(1, round(share * params.batch)))
    random = np.random.default_rng(params.seed)
    fresh, old = _rounds(new, random), _rounds(replay, np.random.default_rng((params.seed, 1)))
    for step in range(params.steps):
        batch = [next(fresh) for _ in range(of_new)]
        batch += [new + next(old) for _ in range(params.batch - of_new)]
        if step >= done:
            yield batch


def _rounds(count: int, random: np.random.Generator) -> Iterator[int]:
    while count:
        yield from (int(at) for at in random.permutation(count))

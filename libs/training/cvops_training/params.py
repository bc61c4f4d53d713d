"""Parameters of a training: typed, checked, and read from text."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from cvops_common.errors import BadArgument


@dataclasses.dataclass(frozen=True, slots=True)
class LoopParams:
    """What the loop needs to know, whatever it trains.

    Attributes:
        steps: batches in all: the budget.
        batch: examples in one.
        learning_rate: at its height; it warms up, then falls as a cosine.
        warm_up: share of the steps in which it grows, 0..1.
        weight_decay: of AdamW.
        clip: length that a gradient is cut to.
        window: share of a picture's sides that a step looks at, around an object, 0..1; 1: whole pictures.
        new_share: share of new examples in a batch, the others are replayed, 0..1; without replay all are new.
        freeze: "none", or the first group of layers that still learns: "neck" or "head".
        freeze_norm: BatchNorm keeps its statistics.
        ema: decay of the moving average of the weights that is kept in the end; 0: the last weights are kept.
        distillation: weight of the base as a teacher on replayed examples: what it answers there counts as much as
            labels do (1), less, or not (0).
        keep_base: share of the base's weights in the average with the trained ones (WiSE-FT), 0..1.
        seed: of order and augmentation.
        threads: of torch.
        size: longer side of the network's input, px; 0: that of the base, or the usual one of the recipe.
    """

    steps: int = 250
    batch: int = 16
    learning_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 1e-4
    clip: float = 5.0
    window: float = 1.0
    new_share: float = 0.35
    freeze: str = "none"
    freeze_norm: bool = True
    ema: float = 0.0
    distillation: float = 0.0
    keep_base: float = 0.0
    seed: int = 0
    threads: int = 1
    size: int = 0

    def __post_init__(self) -> None:
        for wrong in _wrong(self):
            raise BadArgument(f"training parameter {wrong}")


P = TypeVar("P", bound=LoopParams)


def read(defaults: P, given: Mapping[str, str]) -> P:
    """Parameters as text, e.g. {"steps": "120"}, over defaults.

    Raises:
        BadArgument: a name is not known, or a value is no such number.
    """
    known = {field.name: field for field in dataclasses.fields(defaults)}
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(sorted(known))}"
            raise BadArgument(f"training parameter {name!r} is not known: {hint}")
        values[name] = _value(name, text, type(getattr(defaults, name)))
    return dataclasses.replace(defaults, **values)


def as_text(params: LoopParams) -> dict[str, str]:
    """Every parameter by name, as `read` takes it."""
    return {field.name: str(getattr(params, field.name)) for field in dataclasses.fields(params)}


def _value(name: str, text: str, kind: type) -> object:
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text)
    except (ValueError, KeyError):
        words = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, kind.__name__)
        raise BadArgument(f"training parameter {name}: expected {words}, found {text!r}") from None


def _wrong(params: LoopParams) -> list[str]:
    wrong = [
        f"{name}: expected 1 or more, found {getattr(params, name)}"
        for name in ("steps", "batch", "threads")
        if getattr(params, name) < 1
    ]
    wrong += [
        f"{name}: expected 0 to 1, found {getattr(params, name)}"
        for name in ("warm_up", "window", "new_share", "ema", "keep_base")
        if not 0 <= getattr(params, name) <= 1
    ]
    wrong += [
        f"{name}: expected 0 or more, found {getattr(params, name)}"
        for name in ("size", "distillation")
        if not getattr(params, name) >= 0
    ]
    wrong += [
        f"{name}: expected more than 0, found {getattr(params, name)}"
        for name in ("learning_rate", "clip", "window")
        if not getattr(params, name) > 0
    ]
    if params.freeze not in ("none", "neck", "head"):
        wrong.append(f"freeze: expected none, neck or head, found {params.freeze!r}")
    return wrong

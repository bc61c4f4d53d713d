"""Which anchors answer for which objects (SimOTA, arXiv:2107.08430), and what they should have said."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from cvops_training.recipes.yolox.network import boxes_of
from cvops_training.teaching import divergence, objects_seen, seen

_RADIUS = 1.5
_MOST_CANDIDATES = 10
_BOX_COST = 3.0
_FAR_OFF = 1e5
_TINY = 1e-8
_BOX_WEIGHT = 5.0


@dataclass(frozen=True, eq=False)
class Objects:
    """What is in one picture.

    Attributes:
        boxes: (G, 4), left, top, right, bottom in px.
        class_ids: int64 (G,).
        ignored: (I, 4): regions that are neither background nor objects.
    """

    boxes: torch.Tensor
    class_ids: torch.Tensor
    ignored: torch.Tensor


@dataclass(frozen=True, eq=False)
class Match:
    """Anchors that answer for an object.

    Attributes:
        anchors: their numbers (P,).
        objects: of which object each (P,).
        overlap: IoU of its present box with that of the object (P,).
    """

    anchors: torch.Tensor
    objects: torch.Tensor
    overlap: torch.Tensor


def loss_of(raw: torch.Tensor, places: torch.Tensor, strides: torch.Tensor, truth: list[Objects]) -> torch.Tensor:
    """Loss of boxes (1 - IoU^2), presence and classes, per matched anchor.

    Args:
        raw: outputs (N, A, 5 + C).
        places: of the anchors, see `network.cells`.
        strides: likewise.
        truth: one entry a picture.
    """
    boxes = boxes_of(raw, places, strides)
    centres = (places + 0.5) * strides
    presence = torch.zeros_like(raw[..., 4])
    counted = torch.ones_like(presence)
    of_boxes, of_classes, matched = raw.new_zeros(()), raw.new_zeros(()), 0
    for number, objects in enumerate(truth):
        counted[number] = (~_inside(centres, objects.ignored).any(1)).float()
        if not len(objects.boxes):
            continue
        match = assign(raw[number].detach(), boxes[number].detach(), centres, strides, objects)
        presence[number, match.anchors] = 1.0
        counted[number, match.anchors] = 1.0
        overlap = _overlap(boxes[number, match.anchors], objects.boxes[match.objects])
        of_boxes = of_boxes + (1 - overlap**2).sum()
        wanted = functional.one_hot(objects.class_ids[match.objects], raw.shape[2] - 5).float()
        of_classes = of_classes + functional.binary_cross_entropy_with_logits(
            raw[number, match.anchors, 5:], wanted * match.overlap[:, None], reduction="sum"
        )
        matched += len(match.anchors)
    of_presence = functional.binary_cross_entropy_with_logits(raw[..., 4], presence, counted, reduction="sum")
    return (_BOX_WEIGHT * of_boxes + of_presence + of_classes) / max(matched, 1)


def apart(raw: torch.Tensor, taught: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    """How far outputs (N, A, 5 + C) are from those of a teacher who knows `classes`, per anchor in which it is sure.

    Kullback-Leibler divergence of presence, and, as far as the teacher sees something, of classes, and a Huber loss of
    its boxes. That an anchor is empty counts only from a teacher who knows every class.
    """
    presence = taught[..., 4:5].sigmoid()
    weight = seen(presence)
    columns = [5 + number for number in classes]
    of_boxes = functional.smooth_l1_loss(raw[..., :4], taught[..., :4], reduction="none") * weight
    of_classes = divergence(raw[..., columns], taught[..., columns]) * weight
    of_presence = divergence(raw[..., 4:5], taught[..., 4:5]) * (1.0 if len(columns) == raw.shape[2] - 5 else weight)
    return (of_boxes.sum() + of_classes.sum() + of_presence.sum()) / objects_seen(presence)


def assign(
    raw: torch.Tensor, boxes: torch.Tensor, centres: torch.Tensor, strides: torch.Tensor, objects: Objects
) -> Match:
    """The cheapest anchors of each object, as many as its best overlaps sum up to.

    Args:
        raw: outputs of one picture (A, 5 + C).
        boxes: that these mean (A, 4).
        centres: of the anchors (A, 2), px.
        strides: (A, 1).
        objects: at least one.
    """
    within = _inside(centres, objects.boxes)
    middles = (objects.boxes[:, :2] + objects.boxes[:, 2:]) / 2
    near = ((centres[:, None] - middles[None]).abs() < _RADIUS * strides[:, None]).all(2)
    candidates = (within | near).any(1).nonzero()[:, 0]
    overlap = _overlap(objects.boxes[:, None], boxes[None, candidates])
    likely = (raw[candidates, 4:5].sigmoid() * raw[candidates, 5:].sigmoid()).sqrt()
    wanted = functional.one_hot(objects.class_ids, raw.shape[1] - 5).float()
    shape = (len(wanted), len(candidates), wanted.shape[1])
    wrong = functional.binary_cross_entropy(likely[None].expand(shape), wanted[:, None].expand(shape), reduction="none")
    off = ~(within & near)[candidates].T
    cost = wrong.sum(2) - _BOX_COST * torch.log(overlap + _TINY) + _FAR_OFF * off
    taken = torch.zeros_like(cost, dtype=torch.bool)
    counts = overlap.topk(min(_MOST_CANDIDATES, len(candidates)), 1).values.sum(1).int().clamp(min=1)
    for number, count in enumerate(counts.tolist()):
        taken[number, cost[number].topk(min(count, len(candidates)), largest=False).indices] = True
    disputed = taken.sum(0) > 1
    if disputed.any():
        winner = cost[:, disputed].argmin(0)
        taken[:, disputed] = False
        taken[winner, disputed.nonzero()[:, 0]] = True
    chosen = taken.any(0).nonzero()[:, 0]
    of_object = taken[:, chosen].int().argmax(0)
    return Match(candidates[chosen], of_object, overlap[of_object, chosen])


def _inside(points: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Whether points (A, 2) are inside boxes (G, 4): (A, G)."""
    after = points[:, None] - boxes[None, :, :2]
    before = boxes[None, :, 2:] - points[:, None]
    return torch.cat((after, before), 2).amin(2) > 0 if len(boxes) else points.new_zeros((len(points), 0)).bool()


def _overlap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """IoU of boxes (..., 4), broadcast."""
    begin, end = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    common = (end - begin).clamp(min=0).prod(-1)
    areas = (one[..., 2:] - one[..., :2]).prod(-1) + (other[..., 2:] - other[..., :2]).prod(-1)
    return common / (areas - common + 1e-9)

"""From labels to verdicts: how wrong the model was on a frame that was drawn at random and labelled.

Only frames drawn at random count (`reason` "random": the held-out part of an episode's selection, and the audits of
rollouts). Frames that were chosen because the model was unsure, or because they look strange, are wrong more often by
choice, and would be a drift of the chooser. Random frames are drawn from the time of an episode or a rollout, not from
all times: the null is that the model errs on them as it did on those of the audit, so an audit that was labelled during
a drift is a lenient one.
"""

import numpy as np

from cvops_common.labelled_boxes import boxes_of
from cvops_protos.v1.labeling_pb2 import Label
from cvops_vision import matching

_AUTHORS = frozenset({"human", "oracle"})
_USABLE = (Label.STATUS_DONE, Label.STATUS_REVIEWED)
_UNBIASED = "random"
_COUNTS_FROM = 0.3
"""Score from which a box counts as found."""


def error_of(label: Label) -> float | None:
    """1 - F1 of what the model had found in the labelled frame, 0..1; None: the label is no verdict.

    It is none when a model wrote it or nobody could tell, when the frame was not drawn at random, when no detector saw
    it, or when its boxes are damaged.
    """
    if label.author.kind not in _AUTHORS or label.status not in _USABLE or label.reason != _UNBIASED:
        return None
    if not (label.predicted_by and label.HasField("predicted")):
        return None
    found = label.predicted
    scores, class_ids = np.frombuffer(found.score, "<f4"), np.frombuffer(found.class_id, "<u2")
    if len(found.xyxy) != 16 * len(scores) or len(class_ids) != len(scores):
        return None
    ids = {name: number for number, name in enumerate(label.predicted_classes)}
    labelled = boxes_of(label.annotations)
    # A class that the model has never heard of is missed all the same: it gets an id that no box has.
    truth_ids = np.array([ids.get(name, -1) for name in labelled.class_names], np.int64)
    truth = matching.Truth(labelled.xyxy, truth_ids, labelled.ignored_xyxy)
    xyxy = np.frombuffer(found.xyxy, "<f4").reshape(-1, 4).astype(np.float32)
    return 1 - matching.f1(xyxy, scores.astype(np.float32), class_ids.astype(np.int64), truth, _COUNTS_FROM)

"""What can go wrong in a training."""

from cvops_common.errors import Rejected


class TrainingFailed(Rejected):
    """The training cannot yield a model: its loss is no number, its labels are too few, its export is not what it was.

    The message names what was found and what to change.
    """

    reason = "training_failed"

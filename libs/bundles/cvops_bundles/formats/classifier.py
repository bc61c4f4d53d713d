"""Classifiers: one value per class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cvops_bundles.graph import GraphBuilder
from cvops_bundles.onnx_file import inner_name
from cvops_bundles.options import Activation
from cvops_bundles.probe import ProbedOutput, words_of
from cvops_common.errors import BadBundle

_SUM_TOLERANCE: Final = 0.02
"""A thousand float16 probabilities may miss 1 by this much."""


@dataclass(frozen=True, slots=True)
class ClassifierHead:
    """A classifier's output that was understood; `found` says by which evidence the activation was chosen."""

    output: str
    activation: Activation
    found: str

    def append(self, builder: GraphBuilder) -> None:
        """Adds the nodes from the output to `probabilities`, float32 (N, C)."""
        values = builder.op("Flatten", builder.to_float(inner_name(self.output)), axis=1)
        kind = "Softmax" if self.activation is Activation.SOFTMAX else "Identity"
        builder.op(kind, values, output="probabilities", **({"axis": 1} if kind == "Softmax" else {}))

    def words(self) -> dict[str, str]:
        """What was understood, for people."""
        return {"output": self.output, "activation": f"{self.activation} ({self.found})"}


def understand_classifier(outputs: Sequence[ProbedOutput], classes: int, wished: Activation) -> ClassifierHead:
    """Finds the output with the class values, and whether they are probabilities.

    Raises:
        BadBundle: no output has one value per class, or what its values are cannot be told.
    """
    output = next((o for o in outputs if o.shape[:1] == (1,) and np.prod(o.shape[1:]) == classes), None)
    if output is None:
        raise BadBundle(
            f"classifier: expected an output [N, {classes}] for the {classes} labels, found {words_of(outputs)}; "
            "give one label per class, in the order of training"
        )
    values = np.concatenate([value.reshape(1, -1).astype(np.float64) for value in output.values])
    if not np.isfinite(values).all():
        raise BadBundle(f"classifier: output {output.name} gives values that are not finite; check scale, mean and std")
    within = values.min() >= 0 and values.max() <= 1
    sums = values.sum(axis=1)
    if wished is Activation.SIGMOID:
        raise BadBundle("classifier: sigmoid gives no probabilities that sum to 1; use auto, softmax or none")
    if wished is not Activation.AUTO:
        return ClassifierHead(output.name, wished, "as wished")
    if within and np.abs(sums - 1).max() < _SUM_TOLERANCE:
        return ClassifierHead(output.name, Activation.NONE, "values sum to 1")
    if within:
        raise BadBundle(
            f"classifier: output {output.name} lies in 0..1 but sums to {sums.min():.3g}..{sums.max():.3g}, "
            "which can be probabilities of several labels or logits; say which with --activation softmax or none"
        )
    return ClassifierHead(output.name, Activation.SOFTMAX, f"values {values.min():.3g}..{values.max():.3g} are logits")

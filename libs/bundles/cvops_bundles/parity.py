"""A server proves itself before it serves: recorded inputs must give the recorded outputs again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cvops_bundles.compare import worst_of_detections, worst_of_embeddings, worst_of_probabilities
from cvops_bundles.spec import BundleSpec, Task
from cvops_common.errors import BadBundle

if TYPE_CHECKING:
    from cvops_bundles.bundle import Bundle

Outputs: TypeAlias = Mapping[str, NDArray[Any]]
Run: TypeAlias = Callable[[NDArray[np.uint8]], Outputs]
"""One forward of a graph: uint8 (N, H, W, 3) to the arrays of its outputs, by name."""

_IMAGES: Final = "images"


@dataclass(frozen=True, slots=True)
class Parity:
    """Inputs with their outputs.

    Attributes:
        images: uint8 (P, H, W, 3).
        outputs: by name, (P, ...).
    """

    images: NDArray[np.uint8]
    outputs: Outputs

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """The content of `parity.npz`."""
        return {_IMAGES: self.images, **self.outputs}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], spec: BundleSpec) -> Self:
        """The content of `parity.npz`, checked against the spec.

        Raises:
            BadBundle: an array is missing, doubled, or has another shape or type than the spec says.
        """
        count = len(arrays[_IMAGES]) if _IMAGES in arrays and arrays[_IMAGES].ndim else 0
        wanted: dict[str, tuple[str, tuple[int, ...]]] = {
            _IMAGES: ("uint8", (count, spec.input.height, spec.input.width, 3))
        }
        wanted |= {output.name: (output.dtype, (count, *output.shape)) for output in spec.outputs}
        found = {name: (str(array.dtype), array.shape) for name, array in arrays.items()}
        if count < 1 or found != wanted:
            raise BadBundle(f"parity.npz: expected one or more images and {wanted}, found {found}")
        return cls(arrays[_IMAGES], {name: array for name, array in arrays.items() if name != _IMAGES})


@dataclass(frozen=True, slots=True)
class ParityCheck:
    """The largest error of one output over all images and batches, beside what is allowed."""

    output: str
    worst: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is allowed; one that is not a number never is."""
        return self.worst <= self.tolerance


@dataclass(frozen=True, slots=True)
class ParityReport:
    """What a proof found; `batches` are the batch sizes that were run."""

    checks: tuple[ParityCheck, ...]
    batches: tuple[int, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    def sentence(self) -> str:
        """The result for people and logs."""
        parts = (f"{check.output} {check.worst:.2g} of {check.tolerance:g}" for check in self.checks)
        verdict = "parity holds" if self.passed else "parity is broken"
        return f"{verdict} in batches of {' and '.join(map(str, self.batches))}: worst error {', '.join(parts)}"

    def raise_if_failed(self) -> None:
        """Raises BadBundle with the sentence when a check failed."""
        if not self.passed:
            raise BadBundle(
                f"{self.sentence()}; this machine does not compute what the maker of the bundle computed: "
                "import the model again, or use another onnxruntime or device",
                reason="parity",
            )


def prove_parity(bundle: "Bundle", run: Run) -> ParityReport:
    """Runs the recorded images one by one, then in the largest allowed batch, and compares with the recorded outputs.

    Raises:
        BadBundle: an output is missing or has another shape or type. A mere difference is told by the report.
    """
    return check_parity(bundle.spec, bundle.parity(), run)


def check_parity(spec: BundleSpec, parity: Parity, run: Run) -> ParityReport:
    """As `prove_parity`, for what is not a bundle yet."""
    count = len(parity.images)
    batches = sorted({1, min(spec.max_batch or count, count)})
    worst: dict[str, float] = {}
    for size in batches:
        for start in range(0, count, size):
            images = parity.images[start : start + size]
            found = run(images)
            _check_shapes(spec, found, len(images))
            expected = {name: array[start : start + size] for name, array in parity.outputs.items()}
            for name, error in _errors(spec, expected, found).items():
                # A NaN must stay: `max` would lose it.
                worst[name] = error if np.isnan(error) else max(worst.get(name, 0.0), error)
    allowed = {
        "boxes": spec.tolerances.boxes_px,
        "scores": spec.tolerances.score,
        "probabilities": spec.tolerances.probability,
        "embedding": spec.tolerances.embedding,
    }
    return ParityReport(tuple(ParityCheck(name, error, allowed[name]) for name, error in worst.items()), tuple(batches))


def _errors(spec: BundleSpec, expected: Outputs, found: Outputs) -> dict[str, float]:
    errors: dict[str, float] = {}
    if spec.task is Task.DETECT:
        boxes_px, score = worst_of_detections(expected, found, spec.tolerances, spec.input.network_wh)
        errors |= {"boxes": boxes_px, "scores": score}
    if "probabilities" in expected:
        errors["probabilities"] = worst_of_probabilities(expected["probabilities"], found["probabilities"])
    if "embedding" in expected:
        errors["embedding"] = worst_of_embeddings(expected["embedding"], found["embedding"])
    return errors


def _check_shapes(spec: BundleSpec, found: Outputs, count: int) -> None:
    for output in spec.outputs:
        array = found.get(output.name)
        wanted = f"{output.dtype} {(count, *output.shape)}"
        if array is None or f"{array.dtype} {array.shape}" != wanted:
            what = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise BadBundle(f"output {output.name} of {spec.name}: expected {wanted}, found {what}")

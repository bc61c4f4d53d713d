"""One model in one worker thread: a session, places for a batch, and bindings made once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cvops_bundles.bundle import Bundle
from cvops_bundles.session import open_session
from cvops_bundles.spec import IMAGE_INPUT
from cvops_common.errors import BadBundle

OUTLIER_SCORE = "outlier_score"


class Lane:
    """Runs a bundle on up to `max_batch` images without allocating or copying. For one thread at a time.

    Attributes:
        slots: uint8 (max_batch, H, W, 3): fill the first n, then `run(n)`.
        outputs: by name, (max_batch, ...): the first n entries are those of the last run; copy what must stay.
    """

    def __init__(self, bundle: Bundle, max_batch: int) -> None:
        """Opens the sessions.

        Raises:
            BadBundle: onnxruntime refuses a graph, or the monitor has other inputs and outputs than it must.
        """
        spec = bundle.spec
        self.max_batch = min(max_batch, spec.max_batch or max_batch)
        self.slots: NDArray[np.uint8] = np.zeros((self.max_batch, spec.input.height, spec.input.width, 3), np.uint8)
        self.outputs: dict[str, NDArray[Any]] = {
            output.name: np.zeros((self.max_batch, *output.shape), output.dtype) for output in spec.outputs
        }
        self._model = _Bound(open_session(bundle.model_bytes()), self.slots, self.outputs)
        self._monitor = self._open_monitor(bundle)

    def run(self, count: int) -> None:
        """Runs the model, and the monitor if there is one, on the first `count` slots."""
        self._model.run(count)
        if self._monitor is not None:
            self._monitor.run(count)

    def forward(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[Any]]:
        """All outputs of the model for uint8 (N, H, W, 3); copies. For the proof of parity."""
        parts = []
        for start in range(0, len(images), self.max_batch):
            chunk = images[start : start + self.max_batch]
            self.slots[: len(chunk)] = chunk
            self.run(len(chunk))
            parts.append({name: array[: len(chunk)].copy() for name, array in self.outputs.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != OUTLIER_SCORE}

    def _open_monitor(self, bundle: Bundle) -> "_Bound | None":
        data = bundle.monitor_bytes()
        if data is None:
            return None
        session = open_session(data)
        inputs = [node.name for node in session.get_inputs()]
        outputs = [node.name for node in session.get_outputs()]
        if inputs != [IMAGE_INPUT] or outputs != [OUTLIER_SCORE]:
            raise BadBundle(
                f"monitor.onnx of {bundle.spec.name}: expected input {IMAGE_INPUT!r} and output {OUTLIER_SCORE!r}, "
                f"found {inputs} and {outputs}"
            )
        self.outputs[OUTLIER_SCORE] = np.zeros((self.max_batch,), np.float32)
        return _Bound(session, self.slots, {OUTLIER_SCORE: self.outputs[OUTLIER_SCORE]})


class _Bound:
    """A session with its inputs and outputs bound to arrays, once for each batch size."""

    def __init__(
        self, session: ort.InferenceSession, slots: NDArray[np.uint8], outputs: Mapping[str, NDArray[Any]]
    ) -> None:
        self._session = session
        self._bindings = [self._bind(size, slots, outputs) for size in range(1, len(slots) + 1)]

    def run(self, count: int) -> None:
        self._session.run_with_iobinding(self._bindings[count - 1])

    def _bind(self, size: int, slots: NDArray[np.uint8], outputs: Mapping[str, NDArray[Any]]) -> Any:
        binding = self._session.io_binding()
        binding.bind_input(IMAGE_INPUT, "cpu", 0, np.uint8, (size, *slots.shape[1:]), slots.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, (size, *array.shape[1:]), array.ctypes.data)
        return binding

"""Proves a bundle on this machine, as the store does before it takes one."""

from cvops_bundles.bundle import Bundle
from cvops_bundles.parity import ParityReport, prove_parity
from cvops_bundles.session import open_session, run_of
from cvops_bundles.spec import IMAGE_INPUT
from cvops_common.errors import BadBundle


def verify_bundle(bundle: Bundle) -> ParityReport:
    """Opens the graph, compares its input and outputs with `bundle.json` and proves parity.

    Raises:
        BadBundle: the graph cannot be opened or run, or is not what `bundle.json` says, or parity is broken.
    """
    session = open_session(bundle.model_bytes())
    found = [(item.name, item.type, list(item.shape[1:])) for item in session.get_inputs()]
    expected = [(IMAGE_INPUT, "tensor(uint8)", [bundle.spec.input.height, bundle.spec.input.width, 3])]
    if found != expected:
        raise BadBundle(f"model.onnx of {bundle.spec.name}: expected the input {expected}, found {found}")
    report = prove_parity(bundle, run_of(session))
    report.raise_if_failed()
    return report

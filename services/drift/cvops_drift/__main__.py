"""`python -m cvops_drift`."""

from cvops_common.runner import run
from cvops_drift.app import build
from cvops_drift.settings import DriftSettings

run(build, DriftSettings)

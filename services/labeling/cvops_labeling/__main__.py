"""`python -m cvops_labeling`."""

from cvops_common.runner import run
from cvops_labeling.app import build
from cvops_labeling.settings import LabelingSettings

run(build, LabelingSettings)

"""`python -m cvops_inference`."""

from cvops_common.runner import run
from cvops_inference.app import build
from cvops_inference.settings import InferenceSettings

run(build, InferenceSettings)

"""`python -m cvops_trainer`."""

from cvops_common.runner import run
from cvops_trainer.app import build
from cvops_trainer.settings import TrainerSettings

run(build, TrainerSettings)

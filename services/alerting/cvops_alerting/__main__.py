"""`python -m cvops_alerting`."""

from cvops_alerting.app import build
from cvops_alerting.settings import AlertingSettings
from cvops_common.runner import run

run(build, AlertingSettings)

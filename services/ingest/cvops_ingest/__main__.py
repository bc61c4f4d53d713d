"""python -m cvops_ingest."""

from cvops_common.runner import run
from cvops_ingest.app import build
from cvops_ingest.settings import IngestSettings

run(build, IngestSettings)

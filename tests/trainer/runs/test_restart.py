"""A trainer that goes and comes back, and one that has nowhere to write."""

import pytest

from cvops_protos.v1 import training_pb2 as pb
from tests.trainer.runs.conftest import QUICK, lenient, processes_of, running
from tests.trainer.runs.test_runs import has_failed, is_training

pytestmark = pytest.mark.engines


async def test_a_trainer_that_comes_back_goes_on_with_its_runs(settings, key, tiny_detector):
    async with running(settings, key, lenient()) as trainer:
        trainer.base = await trainer.upload(tiny_detector)
        dataset = await trainer.dataset(await trainer.images())
        begun = await trainer.start(dataset, params={"steps": "60", "batch": "2"})
        await trainer.until(begun.run_id, is_training)
    assert processes_of(begun.run_id) == []
    async with running(settings, key) as trainer:
        run = await trainer.ended(begun.run_id)
        assert run.state == pb.TrainingRun.STATE_PASSED, run.text
        assert run.restarts == 1
        assert len(await trainer.made_by(run)) == 1


async def test_a_scratch_folder_that_cannot_be_made_fails_every_run_with_a_cure(settings, key, tmp_path):
    (tmp_path / "runs").write_text("a file where a folder is needed")
    async with running(settings.model_copy(update={"scratch_dir": tmp_path}), key, lenient()) as trainer:
        dataset = await trainer.dataset(await trainer.images(2))
        begun = await trainer.start(dataset, params=QUICK, base="none")
        await has_failed(trainer, begun.run_id, "the scratch folder cannot be written", "move scratch_dir")

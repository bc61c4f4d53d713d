"""Runs on real engines: from a dataset to a registered model, and every way in which that can go wrong."""

import asyncio
import dataclasses
import hashlib
import json
from pathlib import Path
from uuid import uuid4

import grpc
import pytest

from cvops_protos.v1 import training_pb2 as pb
from cvops_trainer.runs.order import STATE
from tests.trainer.runs.conftest import LONG, PROJECT, QUICK, Trainer, processes_of

pytestmark = pytest.mark.engines


def is_training(run: pb.TrainingRun) -> bool:
    return run.state == pb.TrainingRun.STATE_RUNNING and run.step > 0


async def has_failed(trainer: Trainer, run_id: str, *said: str) -> None:
    run = await trainer.ended(run_id)
    assert run.state == pb.TrainingRun.STATE_FAILED, run.text
    assert all(each in run.text for each in said), run.text
    assert await trainer.made_by(run) == []
    assert not (trainer.settings.scratch_dir / "runs" / run_id / STATE).exists()


async def test_a_run_ends_with_one_registered_model_its_curve_its_gates_and_its_lineage(trainer: Trainer):
    images = await trainer.images(21)
    await trainer.objects.put(images[1].asset_uri, b"something else")
    dataset = await trainer.dataset(images)
    begun = await trainer.start(dataset, params=QUICK, reason="for a test")
    run = await trainer.ended(begun.run_id)
    assert run.state == pb.TrainingRun.STATE_PASSED, run.text
    (version,) = await trainer.made_by(run)
    assert run.model.bundle_sha256 == version.bundle_sha256
    assert json.loads(version.bundle_json)["lineage"] == {
        "run": run.run_id, "dataset": run.dataset, "parent": trainer.base,
    }  # fmt: skip
    assert (run.step, run.steps, run.params["steps"]) == (4, 4, "4")
    assert [point.step for point in run.curve] == [1, 2, 3, 4]
    assert run.cpu_s > 0
    assert "new.map50" in run.metrics
    assert {gate.gate for gate in run.gates} >= {"gain", "threshold", "collapse", "latency"}
    # One bad asset of many is left out, and told.
    assert "1 images were left out" in run.text
    assert hashlib.sha256(b"something else").hexdigest() in run.text
    assert not (trainer.settings.scratch_dir / "runs" / run.run_id).exists()


async def test_a_training_that_is_killed_goes_on_where_it_was_and_registers_once(trainer: Trainer):
    dataset = await trainer.dataset(await trainer.images())
    begun = await trainer.start(dataset, params={"steps": "150", "batch": "2"})
    await trainer.until(begun.run_id, lambda run: run.step > 5)
    (process,) = processes_of(begun.run_id)
    process.suspend()  # so that it cannot end before it is killed
    told = json.loads((trainer.settings.scratch_dir / "runs" / begun.run_id / STATE).read_text())
    process.kill()
    run = await trainer.until(begun.run_id, lambda each: each.restarts == 1)
    run = await trainer.until(begun.run_id, lambda each: each.step > 0 and each.step != told["step"])
    assert run.step > 5
    run = await trainer.ended(begun.run_id)
    assert run.state == pb.TrainingRun.STATE_PASSED, run.text
    assert [point.step for point in run.curve] == list(range(1, 151))
    assert [point.value for point in run.curve][: len(told["losses"])] == [loss for _, loss in told["losses"]]
    assert len(await trainer.made_by(run)) == 1


async def test_a_run_is_cancelled_while_it_waits_and_while_it_trains(trainer: Trainer):
    dataset = await trainer.dataset(await trainer.images())
    running = [await trainer.start(dataset, params=LONG) for _ in range(2)]
    waiting = await trainer.start(dataset, params=LONG)
    await asyncio.gather(*(trainer.until(run.run_id, is_training) for run in running))
    for begun in (waiting, *running):
        await trainer.training.CancelRun(pb.GetRunRequest(run_id=begun.run_id), metadata=trainer.metadata)
    assert (await trainer.ended(waiting.run_id)).text == "cancelled before it began"
    for begun in running:
        run = await trainer.ended(begun.run_id)
        assert run.state == pb.TrainingRun.STATE_CANCELLED
        assert "cancelled at step" in run.text
        assert await trainer.made_by(run) == []


async def test_what_cannot_be_trained_fails_with_its_reason_and_registers_nothing(trainer: Trainer):
    images = await trainer.images()
    plain = await trainer.dataset(images)
    nothing_there = await trainer.dataset([dataclasses.replace(image, boxes=()) for image in images])
    spoilt = await trainer.images()
    await trainer.objects.delete([spoilt[0].asset_uri])
    await trainer.objects.put(spoilt[1].asset_uri, b"something else")
    few_held_out = await trainer.dataset([image for image in images if image.split == "train"])
    explodes = {"steps": "40", "learning_rate": "1e30", "clip": "1e30", "warm_up": "0"}
    cases = [
        (plain, explodes, ("the loss is", "lower learning_rate")),
        (plain, {"step": "3"}, ("did you mean steps",)),
        (nothing_there, QUICK, ("hold no object",)),
        (await trainer.dataset(spoilt), QUICK, ("2 of 15 images cannot be used, e.g. ", "repair them")),
        (few_held_out, QUICK, ("0 new images are held out", "label more")),
    ]
    begun = [await trainer.start(dataset, params=params) for dataset, params, _ in cases]
    for run, (_, _, said) in zip(begun, cases, strict=True):
        await has_failed(trainer, run.run_id, *said)


async def test_a_scratch_folder_that_cannot_be_written_any_more_fails_with_a_cure(trainer: Trainer):
    dataset = await trainer.dataset(await trainer.images())
    begun = [await trainer.start(dataset, params=LONG) for _ in range(2)]
    for run, file in zip(begun, ("checkpoint.part", "state.part"), strict=True):
        await trainer.until(run.run_id, is_training)
        block(trainer.settings.scratch_dir / "runs" / run.run_id / file)
    for run in begun:
        await has_failed(trainer, run.run_id, "the scratch folder cannot be written", "free space")


def block(file: Path) -> None:
    """A folder stands where the file would be written."""
    while not file.is_dir():
        file.unlink(missing_ok=True)
        file.mkdir(exist_ok=True)


async def test_a_dataset_of_an_episode_is_trained_on_once_though_it_is_told_twice(trainer: Trainer):
    episode_id = uuid4().hex
    images = await trainer.images(6, episode_id=episode_id)  # too few: it fails soon
    dataset = await trainer.dataset(images, episode_id=episode_id)
    await trainer.bus.publish(dataset, key=f"{PROJECT}/{dataset.name}")
    async with asyncio.timeout(30):
        while not await trainer.runs_on(dataset):
            await asyncio.sleep(0.1)
    await trainer.bus.publish(dataset, key=f"{PROJECT}/{dataset.name}")
    # The topic is read in order: what comes after it proves that the second telling was heard.
    later = await trainer.start(await trainer.dataset(await trainer.images(2)), params=QUICK)
    (run,) = await trainer.runs_on(dataset)
    assert run.episode_id == episode_id
    for each in (run, later):
        await has_failed(trainer, each.run_id, "label more")


async def test_a_dataset_that_does_not_exist_is_named(trainer: Trainer):
    request = pb.StartRunRequest(dataset="nothing")
    with pytest.raises(grpc.aio.AioRpcError, match="cvops dataset list"):
        await trainer.training.StartRun(request, metadata=trainer.metadata)

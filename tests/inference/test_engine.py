"""Workers and the images that wait for them."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from cvops_bundles.bundle import Bundle
from cvops_bundles.session import open_session, run_of
from cvops_common.errors import BadImage, Overloaded, Unavailable
from cvops_inference.engine import Engine
from cvops_inference.image import Encoded, Pixels
from cvops_inference.model import Model, load
from cvops_inference.result import Result
from cvops_vision.probe import ImageInfo
from tests.inference.conftest import box_of, picture, png


@pytest.fixture
def model(make_bundle: Callable[..., Bundle]) -> Model:
    return load(make_bundle(), workers=2, max_batch=4)


def seen(result: Result) -> tuple[list[list[float]], list[int]]:
    assert result.detections is not None
    return result.detections.boxes_xyxy.round(3).tolist(), result.detections.class_ids.tolist()


async def test_every_image_gets_its_own_answer_in_batches_that_fill_themselves(model: Model) -> None:
    cells = [(7 * n) % 48 for n in range(200)]
    async with Engine(workers=2, queue_limit=1000) as engine:
        pending = engine.submit(model, [Pixels(picture(cell, cell % 3)) for cell in cells], refusable=True)
        results = await asyncio.gather(*pending)
    for cell, result in zip(cells, results, strict=True):
        assert seen(result) == ([box_of(cell)], [cell % 3])
    assert max(result.timing.batch_size for result in results) <= model.max_batch


async def test_answers_are_those_of_onnxruntime(model: Model) -> None:
    rng = np.random.default_rng(4)
    images = rng.integers(0, 255, (9, 48, 64, 3), dtype=np.uint8)
    outputs = run_of(open_session(model.bundle.model_bytes()))(images)
    async with Engine(workers=2, queue_limit=100) as engine:
        pending = engine.submit(model, [Pixels(image) for image in images], score_threshold=0.0, refusable=True)
        for at, result in enumerate(await asyncio.gather(*pending)):
            assert result.detections is not None
            best = result.detections.scores.max()
            assert best == pytest.approx(outputs["scores"][at].max(), abs=1e-6)
            assert result.embedding == pytest.approx(outputs["embedding"][at], abs=1e-6)


async def test_a_full_queue_refuses_apps_at_once_and_never_the_stream(model: Model) -> None:
    images = [Pixels(picture(n)) for n in range(8)]
    async with Engine(workers=1, queue_limit=6) as engine:
        with pytest.raises(Overloaded, match="8 more exceed the limit of 6"):
            engine.submit(model, images, refusable=True)
        results = await asyncio.gather(*engine.submit(model, images, refusable=False))
        assert [seen(result)[0] for result in results] == [[box_of(n)] for n in range(8)]
        assert len(await asyncio.gather(*engine.submit(model, images[:6], refusable=True))) == 6


async def test_a_damaged_image_fails_alone(model: Model) -> None:
    info = ImageInfo("png", 64, 48, 1)
    good, whole = png(picture(5)), png(picture(6))
    images = [Encoded(good, info), Encoded(whole[:-30], info), Encoded(b"no image", info), Encoded(good, info)]
    async with Engine(workers=1, queue_limit=10) as engine:
        outcomes = await asyncio.gather(*engine.submit(model, images, refusable=True), return_exceptions=True)
    assert isinstance(outcomes[1], BadImage)
    assert isinstance(outcomes[2], BadImage)
    for outcome in (outcomes[0], outcomes[3]):
        assert isinstance(outcome, Result)
        assert seen(outcome)[0] == [box_of(5)]


async def test_two_models_share_the_workers(make_bundle: Callable[..., Bundle]) -> None:
    models = [load(make_bundle(note), workers=2, max_batch=4) for note in ("one", "two")]
    async with Engine(workers=2, queue_limit=1000) as engine:
        pending = [engine.submit(models[n % 2], [Pixels(picture(n))], refusable=True)[0] for n in range(60)]
        for n, result in enumerate(await asyncio.gather(*pending)):
            assert seen(result)[0] == [box_of(n)]


async def test_who_still_waits_when_the_engine_stops_is_told_so(model: Model) -> None:
    engine = Engine(workers=1, queue_limit=10_000)
    await engine.__aenter__()
    pending = engine.submit(model, [Pixels(picture(n)) for n in range(2000)], refusable=True)
    await engine.__aexit__()
    outcomes = await asyncio.gather(*pending, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {Result, Unavailable}
    assert isinstance(outcomes[-1], Unavailable)

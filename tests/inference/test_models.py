"""Releases are obeyed, and a bad one leaves what serves as it was."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cvops_bundles.bundle import Bundle
from cvops_common.errors import NotFound, NotReady, Unavailable
from cvops_common.objects import Objects
from cvops_common.records import Record
from cvops_inference import models as module
from cvops_inference.bundle_cache import BundleCache
from cvops_inference.model import Model, load
from cvops_inference.models import Models
from cvops_protos.v1.camera_pb2 import Camera
from cvops_protos.v1.model_pb2 import ModelReleased
from cvops_protos.v1.prediction_pb2 import ModelRef
from tests.inference.conftest import released


@pytest.fixture
def start_models(objects_url: str, tmp_path: Path) -> Callable[[], Models]:
    """Models as a service has them; called twice it is as after a restart."""
    return lambda: Models(BundleCache(Objects(objects_url), tmp_path / "cache", 100), workers=1, max_batch=2)


@pytest.fixture
def models(start_models: Callable[[], Models]) -> Models:
    return start_models()


async def put(objects_url: str, *bundles: Bundle) -> None:
    for bundle in bundles:
        await Objects(objects_url).put(f"models/{bundle.sha256}.zip", bundle.path.read_bytes())


def serves(models: Models, camera_id: str = "c", project: str = "p") -> list[str]:
    return [serving.release.model.version for serving in models.serving(camera_id, project)]


async def test_a_release_serves_and_the_next_one_takes_its_place(
    models: Models, make_bundle: Callable[..., Bundle], objects_url: str
) -> None:
    one, two = make_bundle("one"), make_bundle("two")
    await put(objects_url, one, two)
    with pytest.raises(NotReady, match="cvops model release"):
        models.named("blobs")
    await models.on_released([released(one)])
    assert serves(models) == ["1"]
    before = models.named("blobs").model
    previous = ModelRef(name="blobs", version="1", bundle_sha256=one.sha256)
    await models.on_released([released(two, version="2", previous=previous)])
    assert serves(models) == ["2"]
    # The one before stays loaded, so that going back takes no time.
    await models.on_released([released(one, stage=ModelReleased.STAGE_ROLLED_BACK)])
    assert models.named("blobs").model is before
    with pytest.raises(NotFound, match="blobs:1"):
        models.named("blobs", "7")


async def test_of_several_releases_of_a_slot_read_at_once_only_the_last_is_loaded(
    models: Models, make_bundle: Callable[..., Bundle], objects_url: str
) -> None:
    last = make_bundle("last")
    await put(objects_url, last)  # the first is nowhere
    await models.on_released([released(make_bundle("first")), released(last, version="2")])
    assert serves(models) == ["2"]
    assert models.failures == {}


@pytest.mark.parametrize("fault", ["wrong outputs", "not stored", "no graph"])
async def test_a_release_that_cannot_be_served_leaves_the_one_before(
    models: Models, make_bundle: Callable[..., Bundle], wrong_bundle: Bundle, objects_url: str, fault: str
) -> None:
    good = make_bundle("good")
    bad = {
        "wrong outputs": wrong_bundle,
        "not stored": make_bundle("not stored"),
        "no graph": make_bundle("none", model=b"none"),
    }[fault]
    await put(objects_url, good, *([bad] if fault != "not stored" else []))
    await models.on_released([released(good)])
    await models.on_released([released(bad, version="2")])
    assert serves(models) == ["1"]
    assert "blobs:2 cannot serve" in models.failures["p/champion"]
    assert await models.check() is None  # what was released before still answers
    await models.on_released([released(good, version="3")])
    assert models.failures == {}


async def test_after_a_restart_the_one_before_serves_when_the_newest_cannot(
    start_models: Callable[[], Models], make_bundle: Callable[..., Bundle], wrong_bundle: Bundle, objects_url: str
) -> None:
    good = make_bundle("good")
    await put(objects_url, good, wrong_bundle)
    newest = released(
        wrong_bundle,
        version="2",
        previous=ModelRef(name="blobs", version="1", bundle_sha256=good.sha256),
        previous_bundle_uri=f"models/{good.sha256}.zip",
    )
    models = start_models()
    await models.on_released([newest])
    assert serves(models) == ["1"]
    assert "blobs:2 cannot serve" in models.failures["p/champion"]


async def test_nothing_that_can_serve_is_told_by_readiness(
    models: Models, wrong_bundle: Bundle, objects_url: str
) -> None:
    await put(objects_url, wrong_bundle)
    await models.on_released([released(wrong_bundle)])
    assert "cannot serve" in str(await models.check())


@pytest.mark.parametrize("tombstone", [True, False])
async def test_a_withdrawn_release_serves_no_more(
    models: Models, make_bundle: Callable[..., Bundle], objects_url: str, tombstone: bool
) -> None:
    bundle = make_bundle()
    await put(objects_url, bundle)
    await models.on_released([released(bundle)])
    if tombstone:
        await models.on_released([Record(None, "p/champion", "model-released", 0, 1)])
    else:
        await models.on_released([released(bundle, stage=ModelReleased.STAGE_WITHDRAWN)])
    assert serves(models) == []
    assert models.releases == ()


async def test_an_object_store_that_is_away_is_no_verdict_on_a_release(
    models: Models, make_bundle: Callable[..., Bundle], objects_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle()
    await put(objects_url, bundle)

    async def away(*_: object) -> None:
        raise Unavailable("the object store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(Objects, "download", away)
        with pytest.raises(Unavailable):
            await models.on_released([released(bundle)])
    assert models.failures == {}
    waiting = asyncio.create_task(models.until_served([("c", "p")]))  # the release comes again, so it is worth waiting
    await asyncio.sleep(0)
    assert not waiting.done()
    await models.on_released([released(bundle)])
    await waiting
    assert serves(models) == ["1"]


async def test_what_becomes_known_of_a_camera_changes_what_serves_it(
    models: Models, make_bundle: Callable[..., Bundle], objects_url: str
) -> None:
    bundle = make_bundle()
    await put(objects_url, bundle)
    await models.on_released([released(bundle, selector="site=north")])
    assert serves(models, "gate") == []
    models.on_cameras([Record(Camera(camera_id="gate", project="p", site="north"), "gate", "cameras", 0, 0)])
    assert serves(models, "gate") == ["1"]
    models.on_cameras([Record(None, "gate", "cameras", 0, 1)])
    assert serves(models, "gate") == []


async def test_who_has_no_model_waits_for_a_release_that_is_being_loaded_and_nobody_else_does(
    models: Models, make_bundle: Callable[..., Bundle], objects_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make_bundle("one"), make_bundle("two")
    await put(objects_url, one, two)
    began, go_on = threading.Event(), threading.Event()

    def slowly(*given: Any) -> Model:
        began.set()
        assert go_on.wait(20)
        return load(*given)

    monkeypatch.setattr(module, "load", slowly)
    releasing = asyncio.create_task(models.on_released([released(one), released(two, "p/other", percent=0)]))
    assert await asyncio.to_thread(began.wait, 20)
    waiting = asyncio.create_task(models.until_served([("c", "p")]))
    await models.until_served([("c", "another project")])  # no release that is loading selects it
    assert not waiting.done()
    go_on.set()
    await waiting
    assert serves(models) == ["1"]
    await releasing

    began.clear()
    go_on.clear()
    three = make_bundle("three")
    await put(objects_url, three)
    replacing = asyncio.create_task(models.on_released([released(three, version="2")]))
    assert await asyncio.to_thread(began.wait, 20)
    await models.until_served([("c", "p")])  # the one before serves on
    assert serves(models) == ["1"]
    go_on.set()
    await replacing


async def test_a_first_release_that_cannot_be_loaded_ends_the_wait_for_it(
    models: Models, wrong_bundle: Bundle, objects_url: str
) -> None:
    await put(objects_url, wrong_bundle)
    async with asyncio.timeout(20):
        await asyncio.gather(models.on_released([released(wrong_bundle)]), models.until_served([("c", "p")]))
    assert serves(models) == []

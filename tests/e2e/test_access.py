"""Keys at the door of a running platform."""

from pathlib import Path

import pytest

from tests.e2e.whole_platform import Platform


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("pictures") / "one.jpg"
    Image.new("RGB", (64, 48), (200, 30, 30)).save(path)
    return path


def test_a_camera_key_pushes_for_its_own_camera_only(platform: Platform, picture: Path) -> None:
    for camera in ("mine", "other"):
        platform.run("camera", "add", camera)
    key = platform.json("key", "create", "--role", "camera", "--camera", "mine")["key"]
    assert platform.run("push", str(picture), "--camera", "mine", environment={"CVOPS_KEY": key}).returncode == 0
    refused = platform.run("push", str(picture), "--camera", "other", environment={"CVOPS_KEY": key}, check=False)
    assert refused.returncode == 1
    assert "belongs to camera 'mine'" in refused.stderr
    assert key not in refused.stderr + refused.stdout + platform.logs(10**7)


@pytest.mark.parametrize("key", ["cvops_00000000_wrong", ""])
def test_without_a_known_key_nothing_opens(platform: Platform, key: str) -> None:
    refused = platform.run("camera", "list", environment={"CVOPS_KEY": key or "none"}, check=False)
    assert refused.returncode == 1
    assert "key" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_local_key_is_readable_by_its_owner_only_and_in_no_log(platform: Platform) -> None:
    path = platform.data_dir / "keys" / "local.key"
    assert path.stat().st_mode & 0o077 == 0
    assert platform.key not in platform.logs(10**7)
    assert platform.key not in (platform.data_dir / "keys" / "keys.json").read_text()


def test_a_camera_that_does_not_exist_is_named_with_the_cure(platform: Platform, picture: Path) -> None:
    refused = platform.run("push", str(picture), "--camera", "nobody", check=False)
    assert refused.returncode == 1
    assert "cvops camera add nobody" in refused.stderr

"""Keys: made once, hashed at rest, each with a role."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cvops_common.access import KeyFile, Principal, Role, admit, allow_camera
from cvops_common.errors import BadArgument, Forbidden, NotFound, Unauthenticated, Unavailable


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys" / "keys.json")


def test_a_key_opens_and_only_its_hash_is_kept(keys: KeyFile, tmp_path: Path) -> None:
    clear = keys.create(Role.OPERATOR, name="me")
    assert keys.authenticate(clear) == Principal(clear.split("_")[1], Role.OPERATOR)
    path = tmp_path / "keys" / "keys.json"
    assert clear not in path.read_text()
    assert clear.split("_", 2)[2] not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("change", [lambda k: k + "x", lambda k: k[:-1], lambda k: "", lambda k: "cvops_1", str.upper])
def test_a_key_that_is_not_quite_right_opens_nothing(keys: KeyFile, change: Callable[[str], str]) -> None:
    assert keys.authenticate(change(keys.create(Role.ADMIN))) is None


def test_a_revoked_key_stops_working_at_once_also_for_other_readers(keys: KeyFile, tmp_path: Path) -> None:
    clear = keys.create(Role.APP)
    other = KeyFile(tmp_path / "keys" / "keys.json")
    assert other.authenticate(clear) is not None
    keys.revoke(clear.split("_")[1])
    assert other.authenticate(clear) is None
    with pytest.raises(NotFound):
        keys.revoke("00000000")


def test_a_key_of_a_camera_names_its_camera_and_others_none(keys: KeyFile) -> None:
    with pytest.raises(BadArgument):
        keys.create(Role.CAMERA)
    with pytest.raises(BadArgument):
        keys.create(Role.APP, camera_id="gate")
    camera = keys.authenticate(keys.create(Role.CAMERA, camera_id="gate"))
    assert camera is not None
    allow_camera(camera, "gate")
    with pytest.raises(Forbidden, match="gate"):
        allow_camera(camera, "other")


def test_the_door_tells_no_key_wrong_key_and_wrong_role_apart(keys: KeyFile) -> None:
    clear = keys.create(Role.APP)
    operators = frozenset({Role.OPERATOR})
    with pytest.raises(Unauthenticated, match="needs an API key"):
        admit(keys, {}, operators, "call")
    with pytest.raises(Unauthenticated, match="not known") as refused:
        admit(keys, {"authorization": "Bearer cvops_0_nonsense"}, operators, "call")
    assert "nonsense" not in str(refused.value)
    with pytest.raises(Forbidden, match="expected one of admin, operator"):
        admit(keys, {"authorization": f"Bearer {clear}"}, operators, "call")
    assert admit(keys, {"x-api-key": clear}, frozenset({Role.APP}), "call").role is Role.APP
    assert admit(keys, {"x-api-key": keys.create(Role.ADMIN)}, frozenset(), "call").role is Role.ADMIN


def test_a_damaged_key_file_lets_nobody_in_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{broken")
    with pytest.raises(Unavailable, match="cannot be read"):
        KeyFile(path).authenticate("cvops_1_2")

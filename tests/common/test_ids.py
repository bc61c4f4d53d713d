"""Ids are deterministic."""

import pytest

from cvops_common.errors import BadArgument
from cvops_common.ids import check_camera_id, frame_id, prediction_id


def test_the_same_frame_has_the_same_id_and_any_change_another() -> None:
    base = frame_id("gate", 1_700_000_000_123_456_789, 5)
    assert base == frame_id("gate", 1_700_000_000_123_456_789, 5)
    others = {
        frame_id("gate2", 1_700_000_000_123_456_789, 5),
        frame_id("gate", 1_700_000_000_123_456_790, 5),
        frame_id("gate", 1_700_000_000_123_456_789, 6),
    }
    assert len(others | {base}) == 4


def test_ids_are_32_hex_digits_and_sort_by_capture_time() -> None:
    ids = [frame_id("gate", ms * 1_000_000, 0) for ms in (1, 999, 1_700_000_000_000, 1_900_000_000_000)]
    assert ids == sorted(ids)
    assert all(len(id_) == 32 and int(id_, 16) >= 0 for id_ in ids)


def test_predictions_differ_by_model_and_role() -> None:
    frame = frame_id("gate", 10**18, 0)
    assert len({prediction_id(frame, model, role) for model in ("a", "b") for role in ("champion", "shadow")}) == 4


@pytest.mark.parametrize("name", ["", "a" * 65, "a b", "a/b", "gäte", "a\n"])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(BadArgument, match="expected 1 to 64"):
        check_camera_id(name)

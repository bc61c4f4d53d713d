"""A camera and a model: a light that was never seen is told, a cap on the lens is not a night."""

import numpy as np
import pytest

from cvops_drift.model_watch import ModelWatch
from cvops_monitoring.stream.settings import MonitorSettings
from tests.drift.conftest import MODEL
from tests.monitoring.frames import quiet_frames

BEGIN_S = 1.7e9
SETTINGS = MonitorSettings(reference_frames=512, reference_span_s=0, regime_s=30)


@pytest.mark.parametrize("blind", [False, True])
def test_a_light_that_was_never_seen_is_told_unless_nothing_is_seen(blind: bool):
    rng = np.random.default_rng(3)
    watch = ModelWatch(MODEL, SETTINGS, 1)
    watch.push(quiet_frames(rng, 600, BEGIN_S), blind=False)
    watch.push(quiet_frames(rng, 20, BEGIN_S + 600, brighter=-90), blind=blind)
    assert watch.light(blind=blind) is None
    watch.push(quiet_frames(rng, 40, BEGIN_S + 620, brighter=-90), blind=blind)
    told = watch.light(blind=blind)
    assert (told is None) == blind
    if told is not None:
        assert (told[0], told[1].regime, told[1].since_s) == ("opened", "night", BEGIN_S + 600)

"""Settings come from the environment: a service's own first, then what all share."""

import pytest
from pydantic import ValidationError

from cvops_common.settings import ServiceSettings, service_config


class _Settings(ServiceSettings):
    model_config = service_config("sample")


def test_a_services_own_variable_wins_over_the_shared_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVOPS_KAFKA", "shared:1")
    monkeypatch.setenv("CVOPS_MONGO", "mongodb://shared:2")
    monkeypatch.setenv("CVOPS_SAMPLE_KAFKA", "own:3")
    settings = _Settings()
    assert settings.kafka == "own:3"
    assert settings.mongo == "mongodb://shared:2"


def test_settings_are_frozen_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError):
        _Settings().kafka = "other"  # type: ignore[misc]
    monkeypatch.setenv("CVOPS_SAMPLE_SHUTDOWN_S", "-1")
    with pytest.raises(ValidationError, match="shutdown_s"):
        _Settings()

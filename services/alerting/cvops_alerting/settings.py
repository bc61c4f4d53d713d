"""Settings of alerting."""

from pydantic import Field

from cvops_common.settings import ServiceSettings, service_config


class AlertingSettings(ServiceSettings):
    """How patiently messages are delivered. Who is told stands in the project."""

    model_config = service_config("alerting")

    send_timeout_s: float = Field(10.0, gt=0, description="a receiver that has not answered after this time is late, s")
    first_pause_s: float = Field(1.0, gt=0, description="pause after the first failed attempt, s; doubles each time")
    longest_pause_s: float = Field(600.0, gt=0, description="longest pause between attempts, s")
    give_up_s: float = Field(
        86_400.0, gt=0, description="a message that was not delivered after this time is given up, s"
    )
    most_attempts: int = Field(200, ge=1, description="attempts of one message at most")
    most_waiting: int = Field(
        1000, ge=1, description="messages that may wait for one route; more are given up, and counted"
    )
    update_every_s: float = Field(60.0, ge=0, description="least time between updates of one incident to one route, s")

"""Settings that every service has. A service's own class adds its fields."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict


def service_config(service: str) -> SettingsConfigDict:
    """Configuration of a settings class: frozen, from CVOPS_<SERVICE>_<FIELD>, then from the shared CVOPS_<FIELD>."""
    return SettingsConfigDict(
        env_prefix=f"CVOPS_{service.upper()}_", frozen=True, extra="ignore", env_ignore_empty=True
    )


class ServiceSettings(BaseSettings):
    """Where the engines are, where to listen, who may call, what to tell."""

    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port[,host:port]")
    mongo: str = Field("mongodb://127.0.0.1:27017/?replicaSet=rs0", description="MongoDB replica set URL")
    objects: str = Field(
        "file:///var/lib/cvops/objects", description="object store URL: file://, s3://, gs:// or az://"
    )
    keys: Path = Field(Path("/etc/cvops/keys.json"), description="key file: hashed API keys, see `cvops key`")
    grpc_listen: str = Field("127.0.0.1:7100", description="gRPC address, host:port")
    http_listen: str = Field("127.0.0.1:7101", description="HTTP address for uploads, health and metrics, host:port")
    tls_cert: Path | None = Field(None, description="PEM certificate chain; none: no TLS")
    tls_key: Path | None = Field(None, description="PEM private key of tls_cert")
    otlp: str | None = Field(None, description="OTLP/HTTP endpoint for traces, e.g. http://127.0.0.1:4318; none: off")
    log_level: str = Field("info", description="debug, info, warning or error")
    log_format: Literal["json", "text"] = Field("json", description="json: one object a line; text: for people")
    shutdown_s: float = Field(
        10.0, gt=0, description="seconds that calls and batches in flight get to finish at a stop"
    )
    instance: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._-]{0,100}$",
        description="name of this replica, unique among those of its service and the same after a restart: it then goes"
        " on at once where it was; empty: Kafka waits 10 s for one that was killed",
    )
    topic_partitions: int = Field(8, ge=1, description="partitions of per-camera topics, used when they are created")
    topic_replicas: int = Field(1, ge=1, description="replicas of topics, used when they are created")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Own environment first, then the one shared by all services."""
        shared = EnvSettingsSource(settings_cls, env_prefix="CVOPS_", env_ignore_empty=True)
        return init_settings, env_settings, shared, file_secret_settings

"""What `cvops up` runs, in one table, and where everything listens."""

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cvops_common.errors import BadArgument, Unavailable
from cvops_local.engines.kafka import Kafka
from cvops_local.engines.mongod import Mongod
from cvops_local.folder import DataDir
from cvops_local.ports import HOST, owner, taken
from cvops_local.probes import kafka_problem, mongo_problem, service_problem
from cvops_local.records import marked
from cvops_local.spec import ProcessSpec
from cvops_local.tls import Tls

DEFAULT_PORT_BASE = 7100
_MONGO, _KAFKA, _CONTROLLER = 27, 92, 93
_ENGINES, _SERVICES = 0, 1
# The matrices of the services are small: several threads would only wait for one another.
_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Service:
    """A service: `python -m cvops_<name>`.

    Attributes:
        name: of the service, and of its package after `cvops_`.
        offset: gRPC listens at port base + offset, HTTP one above.
        folders: settings that name a folder -> its place in the data folder; made before each start.
    """

    name: str
    offset: int
    folders: Mapping[str, str] = field(default_factory=dict)


SERVICES = (
    Service("ingest", 10),
    Service("inference", 20, {"cache_dir": "cache/bundles"}),
    Service("drift", 40),
    Service("labeling", 50),
    Service("alerting", 60),
    Service("trainer", 30, {"scratch_dir": "scratch/trainer"}),
)


@dataclass(frozen=True, slots=True)
class Topology:
    """Where one platform keeps its data, listens and finds its engines.

    Attributes:
        data: its folder.
        port_base: all ports are an offset from it.
        kafka: external bootstrap servers; None: one is started here.
        mongo: external replica set URL; None: one is started here.
        objects: object store URL; None: the folder `objects`.
        tls: of the services; None: they speak plain text on the loopback.
    """

    data: DataDir
    port_base: int = DEFAULT_PORT_BASE
    kafka: str | None = None
    mongo: str | None = None
    objects: str | None = None
    tls: Tls | None = None

    def __post_init__(self) -> None:
        """Refuses a port base that leaves the range of ports."""
        if not 1024 <= self.port_base <= 65535 - 100:
            raise BadArgument(f"port base {self.port_base}: expected 1024 to 65435, all ports lie within 100 above it")

    @property
    def ports(self) -> dict[int, str]:
        """The ports that must be free, with who wants them."""
        wanted = {self.port_base + service.offset: f"{service.name} (gRPC)" for service in SERVICES}
        wanted |= {self.port_base + service.offset + 1: f"{service.name} (HTTP)" for service in SERVICES}
        if self.kafka is None:
            wanted |= {self.port_base + _KAFKA: "kafka", self.port_base + _CONTROLLER: "kafka's controller"}
        if self.mongo is None:
            wanted[self.port_base + _MONGO] = "mongod"
        return wanted

    def check_ports(self) -> None:
        """Raises Unavailable when a port is in use: names each with who wants it, who has it, and the cure."""
        wanted = self.ports
        clashes = [f"port {port} for {wanted[port]} is used by {owner(port)}" for port in taken(sorted(wanted))]
        if clashes:
            raise Unavailable(
                "; ".join(clashes) + f"; end that, or move all ports: cvops up --port-base {self.port_base + 1000}"
            )

    def connection(self) -> dict[str, Any]:
        """What the connection file of clients holds."""
        services = {service.name: self._addresses(service) for service in SERVICES}
        engines = {"kafka": self._kafka_url, "mongo": self._mongo_url, "objects": self._objects_url}
        keys = {"keys": "keys/keys.json", "key_file": "keys/local.key"}
        tls = {"tls_ca": str(self.tls.ca)} if self.tls is not None else {}
        return {**services, **engines, **keys, **tls, "port_base": self.port_base}

    def specs(self, environment: Mapping[str, str]) -> list[ProcessSpec]:
        """All that is to run: the engines as stage 0, the services as stage 1.

        Args:
            environment: what the children inherit; our own variables are put on top.
        """
        inherited = marked(environment, self.data.path)
        return [
            self._kafka_spec(inherited),
            self._mongo_spec(inherited),
            *(self._service_spec(service, inherited) for service in SERVICES),
        ]

    @property
    def _own_kafka(self) -> Kafka:
        return Kafka(self.data.path / "kafka", self.port_base + _KAFKA, self.port_base + _CONTROLLER)

    @property
    def _own_mongod(self) -> Mongod:
        return Mongod(self.data.path / "mongod", self.port_base + _MONGO)

    @property
    def _kafka_url(self) -> str:
        return self.kafka or self._own_kafka.bootstrap

    @property
    def _mongo_url(self) -> str:
        return self.mongo or self._own_mongod.url

    @property
    def _objects_url(self) -> str:
        return self.objects or self.data.objects.as_uri()

    def _addresses(self, service: Service) -> dict[str, str]:
        port = self.port_base + service.offset
        scheme = "http" if self.tls is None else "https"
        return {"grpc": f"{HOST}:{port}", "http": f"{scheme}://{HOST}:{port + 1}"}

    def _kafka_spec(self, env: Mapping[str, str]) -> ProcessSpec:
        command = self._own_kafka.command if self.kafka is None else None
        problem = partial(kafka_problem, self._kafka_url)
        return ProcessSpec("kafka", command, problem, self._kafka_url, env, _ENGINES)

    def _mongo_spec(self, env: Mapping[str, str]) -> ProcessSpec:
        if self.mongo is None:
            own = self._own_mongod
            return ProcessSpec("mongod", own.command, own.why_not_ready, f"{HOST}:{own.port}", env, _ENGINES)
        return ProcessSpec("mongod", None, partial(mongo_problem, self.mongo), "external", env, _ENGINES)

    def _service_spec(self, service: Service, env: Mapping[str, str]) -> ProcessSpec:
        grpc = f"{HOST}:{self.port_base + service.offset}"
        http = f"{HOST}:{self.port_base + service.offset + 1}"
        prefix = f"CVOPS_{service.name.upper()}"
        own = {
            "CVOPS_KAFKA": self._kafka_url,
            "CVOPS_MONGO": self._mongo_url,
            "CVOPS_OBJECTS": self._objects_url,
            "CVOPS_KEYS": str(self.data.keys_file),
            f"{prefix}_INSTANCE": f"{socket.gethostname()}-{self.port_base}",
            f"{prefix}_GRPC_LISTEN": grpc,
            f"{prefix}_HTTP_LISTEN": http,
            "CVOPS_DATA_DIR": str(self.data.path),
        }
        folders = {setting: self.data.path / place for setting, place in service.folders.items()}
        own |= {f"{prefix}_{setting.upper()}": str(folder) for setting, folder in folders.items()}

        def command() -> list[str]:
            for folder in folders.values():
                folder.mkdir(parents=True, exist_ok=True)
            return [sys.executable, "-m", f"cvops_{service.name}"]

        problem = partial(service_problem, http, ca=self.tls.ca if self.tls is not None else None)
        return ProcessSpec(service.name, command, problem, grpc, {**_ONE_BLAS_THREAD, **env, **own}, _SERVICES)

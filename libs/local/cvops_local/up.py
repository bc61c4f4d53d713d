"""`cvops up`: one platform on one machine."""

import os
from collections.abc import Callable, Mapping, Sequence

from cvops_local.display import Display, Screen
from cvops_local.engines.jars import remembered_jars
from cvops_local.engines.mongod import mongod_binary
from cvops_local.folder import DataDir
from cvops_local.prepare import prepare_kafka
from cvops_local.spec import ProcessSpec
from cvops_local.supervise import supervise
from cvops_local.tls import tls_of
from cvops_local.topology import DEFAULT_PORT_BASE, SERVICES, Topology

NEXT_STEPS = """. Stop with Ctrl-C. Next, in another terminal:
  cvops camera add gate-1
  cvops model import model.onnx --name detector
  cvops push video.mp4 --camera gate-1
  cvops tail predictions
  cvops status"""


def topology_of(data: DataDir, port_base: int | None, environment: Mapping[str, str]) -> Topology:
    """Where things are: the port base given, else that which this folder had last; engines and TLS by environment.

    Raises:
        BadArgument: the port base leaves the range of ports, or TLS is not possible with what is named.
    """
    remembered = (data.connection() or {}).get("port_base", DEFAULT_PORT_BASE)
    return Topology(
        data,
        port_base if port_base is not None else int(remembered),
        kafka=environment.get("CVOPS_KAFKA") or None,
        mongo=environment.get("CVOPS_MONGO") or None,
        objects=environment.get("CVOPS_OBJECTS") or None,
        tls=tls_of(environment, tuple(service.name for service in SERVICES)),
    )


def run_up(data: DataDir, port_base: int | None, make_display: Callable[[], Display]) -> None:
    """Runs the platform until SIGINT, SIGTERM or SIGHUP.

    Args:
        data: the folder; made when it is not there.
        port_base: None: as last time, 7100 the first time.
        make_display: called on the thread that shows things.

    Raises:
        AlreadyExists: another `cvops up` has the folder.
        Unavailable: a port is in use, a program is missing, the folder cannot be written.
        BadArgument: the port base leaves the range of ports, or TLS is not possible with what is named.
    """
    topology = topology_of(data, port_base, os.environ)

    def prepare(screen: Screen) -> Sequence[ProcessSpec]:
        topology.check_ports()
        _fetch(topology, screen)
        data.ensure_local_key()
        data.write_connection(topology.connection())
        return topology.specs(os.environ)

    supervise(data, prepare, make_display, NEXT_STEPS)


def _fetch(topology: Topology, screen: Screen) -> None:
    """Looks up and downloads what the engines need."""
    if topology.mongo is None:
        mongod_binary()
    if topology.kafka is None and remembered_jars() is None:
        screen.say("download", "downloading Apache Kafka, 45 MB, once ...")
        prepare_kafka()

"""`cvops up`: one platform on one machine, from the lock of its data folder to the last process stopped."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from cvops_local.display import Display, Screen
from cvops_local.engines.jars import remembered_jars
from cvops_local.engines.mongod import mongod_binary
from cvops_local.folder import DataDir
from cvops_local.prepare import prepare_kafka
from cvops_local.records import end_leftovers, write_run
from cvops_local.spec import ProcessStatus
from cvops_local.supervisor import Supervisor
from cvops_local.topology import DEFAULT_PORT_BASE, Topology

_NEXT = """ready in {seconds:.1f} s. Stop with Ctrl-C. Next:
  cvops camera add gate-1            cvops model import model.onnx --name detector
  cvops push video.mp4 --camera gate-1     cvops tail predictions     cvops status"""


def topology_of(data: DataDir, port_base: int | None, environment: Mapping[str, str]) -> Topology:
    """Where things are: the port base given, else the one this folder had last; external engines by environment."""
    remembered = (data.connection() or {}).get("port_base", DEFAULT_PORT_BASE)
    return Topology(
        data,
        port_base if port_base is not None else int(remembered),
        kafka=environment.get("CVOPS_KAFKA") or None,
        mongo=environment.get("CVOPS_MONGO") or None,
        objects=environment.get("CVOPS_OBJECTS") or None,
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
        BadArgument: the port base leaves the range of ports.
    """
    began = time.monotonic()
    data = replace(data, path=data.path.resolve())
    data.make()
    topology = topology_of(data, port_base, os.environ)
    with data.lock():
        screen = Screen(make_display)
        try:
            ended = end_leftovers(data.processes_file, data.path)
            if ended:
                screen.say("leftovers", f"ended what an earlier run left behind: {', '.join(ended)}")
            topology.check_ports()
            _fetch(topology, screen)
            data.ensure_local_key()
            data.write_connection(topology.connection())
            asyncio.run(_serve(topology, screen, began))
            screen.say("stopped", "stopped")
        finally:
            shown = screen.close()
    if not shown:
        os._exit(0)  # the terminal is paused: an orderly exit would wait for it


def _fetch(topology: Topology, screen: Screen) -> None:
    """Downloads and looks up what the engines need, while Ctrl-C still interrupts."""
    if topology.mongo is None:
        mongod_binary()
    if topology.kafka is None and remembered_jars() is None:
        screen.say("download", "downloading Apache Kafka, 45 MB, once ...")
        prepare_kafka()


async def _serve(topology: Topology, screen: Screen, began: float) -> None:
    def on_change(status: ProcessStatus) -> None:
        screen.changed(status)
        with contextlib.suppress(OSError):  # a full disk must not end what still runs
            write_run(topology.data.processes_file, supervisor.statuses)

    def on_signal() -> None:
        screen.say("stopping", "stopping; press Ctrl-C again to kill")
        supervisor.stop()

    async def tell_ready() -> None:
        await supervisor.all_were_ready.wait()
        screen.say("ready", _NEXT.format(seconds=time.monotonic() - began))

    supervisor = Supervisor(topology.specs(os.environ), topology.data.logs, on_change=on_change)
    for status in supervisor.statuses:
        screen.changed(status)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
            asyncio.get_running_loop().add_signal_handler(number, on_signal)
    telling = asyncio.create_task(tell_ready())
    try:
        await supervisor.run()
    finally:
        telling.cancel()

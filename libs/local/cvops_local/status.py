"""`cvops status`: how a platform is doing, seen from outside, also when nothing runs."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from cvops_local.folder import DataDir
from cvops_local.probes import kafka_problem, mongo_problem, service_problem
from cvops_local.records import ProcessRecord, read_run
from cvops_local.tls import connection_ca
from cvops_local.topology import SERVICES

_POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """A platform at one moment.

    Attributes:
        running: a `cvops up` holds the data folder.
        supervisor_pid: of that `cvops up`.
        ready: everything answers as it should.
        processes: one a process; the state is what it says itself now.
    """

    running: bool
    supervisor_pid: int | None
    ready: bool
    processes: tuple[ProcessRecord, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON holds it."""
        return asdict(self)


def platform_status(data: DataDir) -> PlatformStatus:
    """Asks everything that the connection file names, at the same time; takes two seconds at most."""
    connection = data.connection()
    if connection is None:
        return PlatformStatus(running=False, supervisor_pid=None, ready=False, processes=())
    running = data.is_held()
    run = read_run(data.processes_file) if running else None
    written = {record.name: record for record in run.processes} if run else {}
    probes = _probes(connection)
    with ThreadPoolExecutor(len(probes)) as pool:
        problems = dict(zip(probes, pool.map(lambda probe: probe[1](), probes.values()), strict=True))
    processes = tuple(_seen(written.get(name), name, address, problems[name]) for name, (address, _) in probes.items())
    ready = all(problem is None for problem in problems.values())
    return PlatformStatus(running, run.supervisor_pid if run else None, ready, processes)


def wait_ready(data: DataDir, wait_s: float) -> PlatformStatus:
    """Asks again and again until all is ready or `wait_s` seconds are over; gives the last answer."""
    end = time.monotonic() + wait_s
    while True:
        status = platform_status(data)
        if status.ready or time.monotonic() >= end:
            return status
        time.sleep(_POLL_S)


def _probes(connection: dict[str, Any]) -> dict[str, tuple[str, Callable[[], str | None]]]:
    """Name -> address and probe of all that the connection file names."""
    probes: dict[str, tuple[str, Callable[[], str | None]]] = {}
    ca = connection_ca(connection)
    if kafka := connection.get("kafka"):
        probes["kafka"] = kafka, lambda: kafka_problem(kafka)
    if mongo := connection.get("mongo"):
        probes["mongod"] = mongo.partition("//")[2].rpartition("@")[2].partition("/")[0], lambda: mongo_problem(mongo)
    for service in SERVICES:
        if addresses := connection.get(service.name):
            http = addresses["http"].partition("://")[2]
            probes[service.name] = addresses["grpc"], partial(service_problem, http, ca=ca)
    return probes


def _seen(written: ProcessRecord | None, name: str, address: str, problem: str | None) -> ProcessRecord:
    if written is None:
        state = "ready" if problem is None else "not running"
        return ProcessRecord(name, state, address, None, None, 0, problem or "", None)
    if problem is None:
        return replace(written, state="ready", detail="")
    state = "not ready" if written.state == "ready" else written.state
    return replace(written, state=state, detail=written.detail or problem)

"""Which ports are used, and by whom."""

import socket
from collections.abc import Iterable

import psutil

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def taken(ports: Iterable[int]) -> list[int]:
    """Those of `ports` that somebody listens on."""
    return [port for port in ports if not _can_listen(port)]


def owner(port: int) -> str:
    """Who listens on `port`: "python3 (pid 4711)", or "another process" where the system does not tell."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr[1] == port
                and connection.pid
            ):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return "another process"


def listens(port: int) -> bool:
    """Whether somebody takes connections on `port` of 127.0.0.1."""
    try:
        socket.create_connection((HOST, port), 0.5).close()
    except OSError:
        return False
    return True


def _can_listen(port: int) -> bool:
    with socket.socket() as attempt:
        # As servers do: connections of a process that is gone (TIME_WAIT) do not count.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError:
            return False
    return True

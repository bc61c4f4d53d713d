"""The data folder: everything that one platform on one machine keeps, and the lock that only one `cvops up` holds."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvops_common.access import KeyFile, Role
from cvops_common.errors import AlreadyExists, Unavailable


@dataclass(frozen=True, slots=True)
class DataDir:
    """The folders and files of a data folder.

    Attributes:
        path: absolute.
    """

    path: Path

    @property
    def logs(self) -> Path:
        """Log files, one a process."""
        return self.path / "logs"

    @property
    def objects(self) -> Path:
        """The object store."""
        return self.path / "objects"

    @property
    def processes_file(self) -> Path:
        """What runs, see records."""
        return self.path / "run" / "processes.json"

    @property
    def connection_file(self) -> Path:
        """How clients find the platform."""
        return self.path / "connection.json"

    @property
    def keys_file(self) -> Path:
        """Hashed API keys, read by the services."""
        return self.path / "keys" / "keys.json"

    @property
    def local_key_file(self) -> Path:
        """The administrator's key of this machine in clear, readable by its owner only."""
        return self.path / "keys" / "local.key"

    @property
    def lock_file(self) -> Path:
        """Held by the running `cvops up`, with its process id inside."""
        return self.path / "up.lock"

    def make(self) -> None:
        """Makes the folders.

        Raises:
            Unavailable: they cannot be made or written to.
        """
        try:
            for folder in (self.logs, self.objects, self.processes_file.parent):
                folder.mkdir(parents=True, exist_ok=True)
            self.keys_file.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"data folder {self.path} cannot be used: {error}; choose one that you may write to with --data-dir"
            ) from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the folder. The system frees it when this process ends in whatever way.

        Raises:
            AlreadyExists: another `cvops up` holds it.
        """
        with self.lock_file.open("a+") as handle:
            if not _try_lock(handle.fileno()):
                raise AlreadyExists(
                    f"`cvops up` already runs on {self.path} (pid {self.holder() or 'unknown'}): look with "
                    "`cvops status`, stop it with Ctrl-C there, or start another one with --data-dir and --port-base"
                )
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            try:
                yield
            finally:
                handle.truncate(0)

    def holder(self) -> int | None:
        """The process id in the lock file; None when it holds none."""
        try:
            return int(self.lock_file.read_text())
        except (OSError, ValueError):
            return None

    def is_held(self) -> bool:
        """Whether a `cvops up` runs on this folder now."""
        try:
            with self.lock_file.open() as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def connection(self) -> dict[str, Any] | None:
        """What the connection file says; None when there is none that can be read."""
        try:
            found = json.loads(self.connection_file.read_text())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write_connection(self, connection: dict[str, Any]) -> None:
        """Writes the connection file, atomically."""
        fresh = self.connection_file.with_suffix(".new")
        fresh.write_text(json.dumps(connection, indent=1) + "\n")
        fresh.replace(self.connection_file)

    def ensure_local_key(self) -> None:
        """Makes the administrator's key of this machine unless the one there is still known to the key file."""
        keys = KeyFile(self.keys_file)
        with contextlib.suppress(OSError):
            if keys.authenticate(self.local_key_file.read_text().strip()) is not None:
                return
        clear = keys.create(Role.ADMIN, name="local")
        fresh = self.local_key_file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(clear + "\n")
        fresh.replace(self.local_key_file)


def _try_lock(descriptor: int) -> bool:
    """Tries for a moment: `is_held` of another process holds the lock for some microseconds."""
    for _ in range(4):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False

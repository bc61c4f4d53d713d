"""Downloads and resolves ahead what `cvops up` needs: `python -m cvops_local.prepare`."""

import sys
import time
from dataclasses import dataclass

from rich.console import Console

from cvops_common.errors import CvopsError
from cvops_local.engines.jars import java, kafka_jars
from cvops_local.engines.mongod import mongod_binary


@dataclass(frozen=True, slots=True)
class PreparedKafka:
    """What Kafka runs from: how many jars, their bytes, and the seconds that it took to have them."""

    jars: int
    size_bytes: int
    seconds: float


def prepare_kafka() -> PreparedKafka:
    """Finds Java and downloads Kafka's jars when they are not there yet.

    Raises:
        Unavailable: no Java, or the download fails.
    """
    began = time.monotonic()
    java()
    jars = kafka_jars()
    return PreparedKafka(len(jars), sum(jar.stat().st_size for jar in jars), time.monotonic() - began)


def main() -> int:
    """Prepares everything and tells; the exit status."""
    console = Console(stderr=True)
    try:
        with console.status("Apache Kafka: downloading its jars, 45 MB, once ..."):
            kafka = prepare_kafka()
        console.print(f"Apache Kafka: {kafka.jars} jars, {kafka.size_bytes >> 20} MB, in {kafka.seconds:.1f} s")
        console.print(f"Java: {java()}\nMongoDB: {mongod_binary()}", highlight=False)
    except CvopsError as error:
        console.print(f"[red]failed:[/] {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

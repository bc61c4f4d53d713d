"""`make bench`: all benchmarks, one table after the other. `python -m tests.bench ingest latency` runs some."""

import sys
from importlib import import_module
from pathlib import Path

from tests.bench.core_speed import million_turns_per_s


def main(wanted: list[str]) -> None:
    """Runs the benchmarks whose names are given, or all."""
    known = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    if unknown := set(wanted) - set(known):
        sys.exit(f"no benchmark {sorted(unknown)}: expected some of {', '.join(known)}")
    for name in wanted or known:
        before = million_turns_per_s()
        print(import_module(f"tests.bench.bench_{name}").main(), flush=True)
        print(f"Speed of a core, million turns of an empty loop a second: {before:.0f}, {million_turns_per_s():.0f}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What lens and firmware do to two simulated cameras with the demo's model; see `bench_drift_sim`."""

from cvops_sim.effects.kind import ActsOn
from tests.bench.bench_drift_sim import names_of, table


def main() -> str:
    """Runs the benchmark and gives its table."""
    title = "Drift on simulated roads, lens and firmware: two cameras with a model, 300 frames before, 200 after"
    return table(names_of(ActsOn.LENS, ActsOn.IMAGE), title)


if __name__ == "__main__":
    print(main())

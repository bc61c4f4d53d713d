"""What a run's process told, and how a run ended, put into the run. Pure."""

from datetime import UTC, datetime

from cvops_protos.v1.training_pb2 import GateResult, TrainingRun
from cvops_trainer.runs.order import RunState


def state_of(state: RunState) -> TrainingRun.State.ValueType:
    """The state of a run whose process goes on."""
    return TrainingRun.STATE_JUDGING if state.phase == "judging" else TrainingRun.STATE_RUNNING


def take(run: TrainingRun, state: RunState) -> bool:
    """Copies what the process told into the run."""
    run.state = state_of(state)
    run.step, run.steps, run.loss, run.cpu_s = state.step, state.steps, state.loss, state.cpu_s
    run.wall_s = (datetime.now(UTC) - run.started_at.ToDatetime(UTC)).total_seconds()
    for target, source in ((run.params, state.params), (run.environment, state.environment)):
        target.clear()
        target.update(source)
    for numbers, values in ((run.metrics, state.metrics), (run.base_metrics, state.base_metrics)):
        numbers.clear()
        numbers.update(values)
    del run.curve[:], run.gates[:]
    run.curve.extend(TrainingRun.Point(step=step, name="loss", value=loss) for step, loss in state.losses)
    run.gates.extend(
        GateResult(gate=name, passed=passed, value=value, limit=limit, text=text)
        for name, passed, value, limit, text in state.gates
    )
    return True


def end(run: TrainingRun, state: TrainingRun.State.ValueType, text: str) -> None:
    """Ends a run now, with the reason or what is to be told."""
    run.state, run.text = state, text
    run.ended_at.FromDatetime(datetime.now(UTC))

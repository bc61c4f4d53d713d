"""How often a run whose process dies is tried again."""

from dataclasses import replace

from cvops_trainer.runs.order import RunOrder, RunState, next_try, read_order, read_state, write_json

ORDER = RunOrder("r", "p", "detector-tiny", {}, "m", "d:1", "uri", "sha", "", "", "", "", {}, "file:///objects")


def told(step: int) -> RunState:
    return RunState("running", step=step)


def test_a_process_that_got_further_may_die_as_often_as_it_likes():
    order = next_try(ORDER, None, None)
    for step in range(10, 200, 10):
        order = next_try(ORDER, order, told(step))
        assert (order.reached, order.fruitless) == (step, 0)


def test_those_that_get_no_further_are_counted_until_one_does():
    order = next_try(ORDER, None, None)
    order = next_try(ORDER, order, told(40))
    for count, state in enumerate((None, told(0), told(40)), 1):
        order = next_try(ORDER, order, state)
        assert (order.reached, order.fruitless) == (40, count)
    assert next_try(ORDER, order, told(41)).fruitless == 0


def test_an_order_is_read_as_it_was_written(tmp_path):
    assert read_order(tmp_path) is None
    order = replace(ORDER, nice=3, reached=7, fruitless=2)
    write_json(tmp_path / "order.json", order)
    assert read_order(tmp_path) == order
    assert read_state(tmp_path) is None

"""Signals that end a command."""

import signal

import pytest

from cvops.cli.endings import ending_in_order


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_for_an_end_and_the_next_one_is_as_ever(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    asked: list[int] = []
    with ending_in_order(lambda: asked.append(number)):
        assert signal.getsignal(number) is not before
        signal.raise_signal(number)
        assert asked == [number]
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_without_a_signal_everything_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending_in_order(lambda: None):
        pass
    assert signal.getsignal(signal.SIGTERM) is before

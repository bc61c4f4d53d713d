"""Runs processes on a data folder in the foreground: lock, leftovers, signals, records, display."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence

from cvops_local.display import Display, Screen
from cvops_local.folder import DataDir
from cvops_local.records import end_leftovers, write_run
from cvops_local.spec import ProcessSpec, ProcessStatus
from cvops_local.supervisor import Supervisor


def supervise(
    data: DataDir,
    prepare: Callable[[Screen], Sequence[ProcessSpec]],
    make_display: Callable[[], Display],
    next_steps: str = "",
) -> None:
    """Runs what `prepare` gives until SIGINT, SIGTERM or SIGHUP; a second signal kills what has not ended yet.

    Args:
        data: the folder; made when it is not there, held by a lock for as long as this runs.
        prepare: called when the folder is held and leftovers of a killed run have ended; Ctrl-C interrupts it.
        make_display: called on the thread that shows things.
        next_steps: shown when all is ready.

    Raises:
        AlreadyExists: another one has the folder.
        Unavailable: the folder cannot be written, or a process cannot be started at all.
    """
    began = time.monotonic()
    data.make()
    with data.lock():
        screen = Screen(make_display)
        try:
            ended = end_leftovers(data.processes_file, data.path)
            if ended:
                screen.say("leftovers", f"ended what an earlier run left behind: {', '.join(ended)}")
            asyncio.run(_serve(data, prepare(screen), screen, began, next_steps))
            screen.say("stopped", "stopped")
        finally:
            shown = screen.close()
    if not shown:
        os._exit(0)  # the terminal is paused: an orderly exit would wait for it


async def _serve(data: DataDir, specs: Sequence[ProcessSpec], screen: Screen, began: float, next_steps: str) -> None:
    def on_change(status: ProcessStatus) -> None:
        screen.changed(status)
        with contextlib.suppress(OSError):  # a full disk must not end what still runs
            write_run(data.processes_file, supervisor.statuses)

    def on_signal() -> None:
        screen.say("stopping", "stopping; press Ctrl-C again to kill")
        supervisor.stop()

    async def tell_ready() -> None:
        await supervisor.all_were_ready.wait()
        screen.say("ready", f"ready in {time.monotonic() - began:.1f} s{next_steps}")

    supervisor = Supervisor(specs, data.logs, on_change=on_change)
    for status in supervisor.statuses:
        screen.changed(status)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup stays nohup
            asyncio.get_running_loop().add_signal_handler(number, on_signal)
    telling = asyncio.create_task(tell_ready())
    try:
        await supervisor.run()
    finally:
        telling.cancel()

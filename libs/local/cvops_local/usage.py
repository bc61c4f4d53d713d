"""Memory and processor time of a process with all that it started."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process tree uses: resident bytes, and processor in percent of one core since the last sample."""

    rss_bytes: int
    cpu_percent: float


class Usage:
    """Samples process trees; remembers processes between samples, because processor use is a difference."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def sample(self, pid: int) -> Sample | None:
        """What `pid` and its descendants use now; None when it is gone."""
        try:
            root = self._process(pid)
            tree = [root, *(self._process(child.pid) for child in root.children(recursive=True))]
            rss = sum(process.memory_info().rss for process in tree)
            return Sample(rss, sum(process.cpu_percent() for process in tree))
        except psutil.Error:
            self._known.pop(pid, None)
            return None

    def _process(self, pid: int) -> psutil.Process:
        known = self._known.get(pid)
        if known is None or not known.is_running():
            known = self._known[pid] = psutil.Process(pid)
        return known

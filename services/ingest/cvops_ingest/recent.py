"""Ids that were seen lately, in bounded memory."""

from collections import OrderedDict
from collections.abc import Iterable


class RecentIds:
    """The last `capacity` ids that were added; what it does not know may still be known elsewhere."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return id_ in self._ids

    def add(self, ids: Iterable[str]) -> None:
        """Remembers ids and forgets the oldest beyond the capacity."""
        self._ids.update(dict.fromkeys(ids))
        while len(self._ids) > self._capacity:
            self._ids.popitem(last=False)

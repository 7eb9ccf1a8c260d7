"""A mapping that forgets: bounded memory of what was seen lately."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(MutableMapping[K, V]):
    """Holds the `bound` keys that were written last; writing one more forgets the one written longest ago."""

    __slots__ = ("_bound", "_items")

    def __init__(self, bound: int) -> None:
        if bound < 1:
            raise ValueError("the bound must be at least 1")
        self._bound = bound
        self._items: dict[K, V] = {}

    def __getitem__(self, key: K) -> V:
        return self._items[key]

    def __setitem__(self, key: K, value: V) -> None:
        self._items.pop(key, None)
        self._items[key] = value
        if len(self._items) > self._bound:
            del self._items[next(iter(self._items))]

    def __delitem__(self, key: K) -> None:
        del self._items[key]

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Iterator[K]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

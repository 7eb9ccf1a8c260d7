"""Linear memories counted together: one budget for all memories (and garbage-collected heaps) of a run.

The engine's own limit is per memory, and it does not say when it refused one. Here every byte that a guest can touch
comes from one account, so that the sum is bounded, its peak is exact, and a refusal is known. The engine calls these
functions on the thread that runs the guest; nothing here may raise.

Each memory is one reservation of address space, guarded on both sides, of which the grown part is made accessible; it
is at least as large as the engine asked for, since compiled code relies on the engine's reservation and guard.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from wasmtime import _bindings as c
from wasmtime import _ffi as ffi

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

_PROT_NONE, _PROT_READ_WRITE = 0, 3
_MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022
_MAP_FAILED = ctypes.c_void_p(-1).value
_PAGE = 1 << 16
"""Linear memories grow in units of this; also a multiple of every page size of the supported machines."""


@dataclass(slots=True)
class _Memory:
    start: int
    """Of the whole reservation, leading guard included."""
    length: int
    base: int
    size: int
    capacity: int


def _error(text: bytes) -> int:
    """A pointer to an engine error, owned by the engine once it is returned."""
    return ctypes.cast(ffi.wasmtime_error_new(text), ctypes.c_void_p).value or 0


class LinearMemories:
    """The account. Make one per process, attach it to the configuration, `open` it before the run."""

    def __init__(self) -> None:
        self._memories: dict[int, _Memory] = {}
        self._next = 1
        self.budget = 0
        self.used = 0
        self.peak = 0
        self.refused = False
        """Whether any allocation or growth did not fit since `open`."""
        # The engine keeps these pointers; they live as long as this object, which lives as long as the process.
        self._get = c.wasmtime_memory_get_callback_t(self._on_get)
        self._grow = c.wasmtime_memory_grow_callback_t(self._on_grow)
        self._free = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._on_free)
        self._new = c.wasmtime_new_memory_callback_t(self._on_new)
        self._creator = c.wasmtime_memory_creator_t(None, self._new)

    def attach(self, config: Any) -> None:
        """Make every engine of this `wasmtime.Config` take its memories from here."""
        ffi.wasmtime_config_host_memory_creator_set(config.ptr(), ctypes.byref(self._creator))

    def open(self, budget: int) -> None:
        """Start counting anew: `budget` bytes for all memories together."""
        self.budget, self.used, self.peak, self.refused = budget, 0, 0, False

    def _take(self, count: int) -> bool:
        if count > self.budget - self.used:
            self.refused = True
            return False
        self.used += count
        self.peak = max(self.peak, self.used)
        return True

    def _on_new(
        self, _env: object, _type: object, minimum: int, _maximum: int, reserved: int, guard: int, result: Any
    ) -> int:
        if not self._take(minimum):
            return _error(b"more memory than was granted")
        # Never moved: what the budget allows always fits into the reservation.
        capacity = max(reserved, -(-max(minimum, self.budget) // _PAGE) * _PAGE)
        length = guard + capacity + guard
        start = _libc.mmap(None, length, _PROT_NONE, _MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)
        if start == _MAP_FAILED:
            self.refused = True
            return _error(b"no address space for a memory")
        if minimum and _libc.mprotect(start + guard, minimum, _PROT_READ_WRITE):
            _libc.munmap(start, length)
            self.refused = True
            return _error(b"the system refused memory")
        key, self._next = self._next, self._next + 1
        self._memories[key] = _Memory(start, length, start + guard, minimum, capacity)
        memory = result[0]
        memory.env, memory.get_memory, memory.grow_memory, memory.finalizer = key, self._get, self._grow, self._free
        return 0

    def _on_get(self, env: int, size: Any, capacity: Any) -> int:
        memory = self._memories[env]
        size[0], capacity[0] = memory.size, memory.capacity
        return memory.base

    def _on_grow(self, env: int, new_size: int) -> int:
        memory = self._memories[env]
        if new_size > memory.capacity or not self._take(new_size - memory.size):
            self.refused = True
            return _error(b"more memory than was granted")
        if _libc.mprotect(memory.base + memory.size, new_size - memory.size, _PROT_READ_WRITE):
            self.used -= new_size - memory.size
            self.refused = True
            return _error(b"the system refused memory")
        memory.size = new_size
        return 0

    def _on_free(self, env: int) -> None:
        memory = self._memories.pop(env)
        self.used -= memory.size
        _libc.munmap(memory.start, memory.length)

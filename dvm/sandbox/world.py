"""The guest's clocks and dice: frozen and seeded, the same on every machine.

Shadows WASI's own clocks and random interfaces, for every patch version of 0.2 that a component may import.
The clock shows one instant throughout; its resolution is one second. Waiting for a point in time ends at once,
whichever it is. Randomness: three streams, each the concatenation for i = 0, 1, 2, ... of the first 136 bytes of
SHAKE256(b"dvm/random/1:" + name + b":" + seed + i as 8 bytes little endian), named `random`, `insecure` and
`insecure-seed`; integers are taken from them little endian.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from wasmtime import StoreContext, WasmtimeError
from wasmtime.component import Linker, LinkerInstance, Record, ResourceAny

from dvm.sandbox.imports import LAST_PATCH

# hashlib would load all of OpenSSL into every worker; this is the same function from the interpreter itself.
_shake_256 = import_module("_sha3").shake_256

_BLOCK_BYTES = 136
_LARGEST_DRAW = 65_536
_NANOSECONDS = 1_000_000_000


class Dice:
    """One endless stream of bytes."""

    def __init__(self, name: bytes, seed: bytes) -> None:
        self._prefix = b"dvm/random/1:" + name + b":" + seed
        self._block = 0
        self._left = b""

    def draw(self, count: int) -> bytes:
        """The next `count` bytes."""
        blocks = [self._left]
        missing = count - len(self._left)
        while missing > 0:
            block: bytes = _shake_256(self._prefix + self._block.to_bytes(8, "little")).digest(_BLOCK_BYTES)
            blocks.append(block)
            self._block += 1
            missing -= _BLOCK_BYTES
        stream = b"".join(blocks)
        self._left = stream[count:]
        return stream[:count]


class World:
    """What the shadowing functions answer from. One per process; `begin` sets it for the one run."""

    def __init__(self, past: Callable[[StoreContext], Callable[[StoreContext], ResourceAny]]) -> None:
        """`past` prepares, in the store of a run, a function that makes a pollable which is always ready."""
        self._make_past = past
        self.begin(0, bytes(32))

    def begin(self, clock: int, seed: bytes) -> None:
        """`clock` in unix seconds, `seed` of 32 bytes."""
        self.clock = clock
        self.random = Dice(b"random", seed)
        self.insecure = Dice(b"insecure", seed)
        self.insecure_seed = Dice(b"insecure-seed", seed)
        self._past: Callable[[StoreContext], ResourceAny] | None = None

    def define(self, linker: Linker) -> None:
        """Put the interfaces into a linker that allows shadowing, after WASI itself."""
        interfaces: dict[str, dict[str, Callable[..., Any]]] = {
            "wasi:clocks/wall-clock": {"now": self._instant, "resolution": self._second},
            "wasi:clocks/monotonic-clock": {
                "now": lambda _store: self.clock * _NANOSECONDS,
                "resolution": lambda _store: _NANOSECONDS,
                "subscribe-instant": self._subscribe,
                "subscribe-duration": self._subscribe,
            },
            "wasi:random/random": _draws(lambda: self.random, "get-random"),
            "wasi:random/insecure": _draws(lambda: self.insecure, "get-insecure-random"),
            "wasi:random/insecure-seed": {
                "insecure-seed": lambda _store: (_u64(self.insecure_seed), _u64(self.insecure_seed)),
            },
        }
        with linker.root() as root:
            for name, functions in interfaces.items():
                for patch in range(LAST_PATCH + 1):
                    with root.add_instance(f"{name}@0.2.{patch}") as instance:
                        _add(instance, functions)

    def _subscribe(self, store: StoreContext, _when: int) -> ResourceAny:
        if self._past is None:
            self._past = self._make_past(store)
        return self._past(store)

    def _instant(self, _store: object) -> Record:
        return _datetime(self.clock)

    def _second(self, _store: object) -> Record:
        return _datetime(1)


def _add(instance: LinkerInstance, functions: dict[str, Callable[..., Any]]) -> None:
    for name, function in functions.items():
        instance.add_func(name, function)


def _datetime(seconds: int) -> Record:
    record = Record()
    vars(record).update(seconds=seconds, nanoseconds=0)
    return record


def _u64(dice: Dice) -> int:
    return int.from_bytes(dice.draw(8), "little")


def _draws(dice: Callable[[], Dice], prefix: str) -> dict[str, Callable[..., Any]]:
    def draw_bytes(_store: object, count: int) -> bytes:
        if count > _LARGEST_DRAW:
            raise WasmtimeError(f"at most {_LARGEST_DRAW} random bytes can be drawn at once")
        return dice().draw(count)

    return {f"{prefix}-bytes": draw_bytes, f"{prefix}-u64": lambda _store: _u64(dice())}

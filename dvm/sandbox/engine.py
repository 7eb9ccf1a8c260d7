"""The WebAssembly engine, configured once for all: deterministic, metered, without what nobody needs.

Nothing but this file decides how code is compiled; a change here changes `fingerprint`, since compiled code is kept. An
impossible configuration aborts the process (the engine panics), which is why this runs on the far side of the wall.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import wasmtime
from wasmtime import _ffi as ffi

from dvm.sandbox.form import PINNED, Form
from dvm.sandbox.kernel import MACHINE
from dvm.sandbox.linear import LinearMemories

_PULLEY_TARGET = b"pulley64"
_WASM_STACK_BYTES = 512 << 10

_SETTINGS: tuple[tuple[str, bool | int | str], ...] = (
    ("strategy", "cranelift"),
    ("cranelift_opt_level", "speed"),
    ("consume_fuel", True),
    ("epoch_interruption", False),  # the deadline is the parent's
    ("parallel_compilation", False),  # it needs threads
    ("max_wasm_stack", _WASM_STACK_BYTES),
    # the same answer on every machine
    ("cranelift_nan_canonicalization", True),
    ("wasm_relaxed_simd", True),
    ("wasm_relaxed_simd_deterministic", True),
    ("wasm_threads", False),
    ("shared_memory", False),
    # what compilers emit
    ("wasm_simd", True),
    ("wasm_bulk_memory", True),
    ("wasm_reference_types", True),
    ("wasm_multi_value", True),
    ("wasm_multi_memory", True),
    ("wasm_memory64", True),
    ("wasm_tail_call", True),
    ("wasm_function_references", True),
    ("wasm_gc", True),
    ("wasm_exceptions", True),
    # what they do not
    ("wasm_stack_switching", False),
    ("wasm_custom_page_sizes", False),
    ("wasm_wide_arithmetic", False),
    # memories come from `linear`
    ("memory_init_cow", False),
    ("memory_may_move", False),
    ("memory_reservation", 4 << 30),
    ("memory_guard_size", 32 << 20),
)

_RAW_SETTINGS: tuple[tuple[str, bool], ...] = (
    ("wasmtime_config_wasm_component_model_async_set", False),
    ("wasmtime_config_wasm_component_model_more_async_builtins_set", False),
    ("wasmtime_config_wasm_component_model_async_stackful_set", False),
)


class WrongEngine(Exception):
    """Another version of the engine is installed than the one this code is made for."""


def check_version() -> None:
    """Raise `WrongEngine` unless exactly the pinned version is installed."""
    site = Path(wasmtime.__file__).parent.parent
    found = sorted(path.name.split("-")[1].removesuffix(".dist") for path in site.glob("wasmtime-*.dist-info"))
    if found != [PINNED]:
        raise WrongEngine(f"wasmtime {PINNED} is required, installed is: {', '.join(found) or 'none'}")


class NoPulley(Exception):
    """The engine that is installed cannot interpret."""


def _interpret(config: wasmtime.Config) -> None:
    error = ffi.wasmtime_config_target_set(config.ptr(), ctypes.create_string_buffer(_PULLEY_TARGET))
    if ctypes.cast(error, ctypes.c_void_p).value is not None:
        raise NoPulley("the engine does not know its interpreter as a target")


def new_engine(memories: LinearMemories, form: Form) -> wasmtime.Engine:
    """An engine whose guests take their memories from `memories`; raises `NoPulley`."""
    config = wasmtime.Config()
    for name, value in _SETTINGS:
        setattr(config, name, value)
    for name, switch in _RAW_SETTINGS:
        getattr(ffi, name)(config.ptr(), switch)
    memories.attach(config)
    if form is Form.PULLEY:
        _interpret(config)
    made = wasmtime.Engine(config)
    if ffi.wasmtime_engine_is_pulley(made.ptr()) is not (form is Form.PULLEY):
        raise NoPulley(f"the engine did not become what was asked for: {form.value}")
    return made


def _cpu_features() -> str:
    """What this machine's processor can do, as the kernel lists it: compiled code may use all of it.

    A service manager may hide the list. Then the engine's own check at loading is what is left, and code for another
    processor is found out only when a run fails.
    """
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith(("flags", "Features")):
                    return line
    except OSError:
        pass
    return os.uname().machine


def fingerprint(form: Form) -> str:
    """Names everything but the component itself that compiled code depends on. Call it while files can be opened."""
    depends = _cpu_features() if form is Form.NATIVE else _PULLEY_TARGET.decode()
    return "\n".join((PINNED, form.value, MACHINE, repr(_SETTINGS), repr(_RAW_SETTINGS), depends))

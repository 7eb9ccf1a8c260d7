"""The cases as they stand in golden.json, and their components."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from dvm.ports import Run
from jobs.grant import Grant
from jobs.outcome import RunReport
from jobs.request import JobId
from tests.support.guests import command, guest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILE = HERE / "golden.json"

_PRELUDE = """(import "store" "memory" (memory 1))
  (import "store" "reset" (func $reset))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (import "wasi" "wall" (func $wall (param i32)))
  (import "wasi" "ticks" (func $ticks (result i64)))
  (import "wasi" "after" (func $after (param i64) (result i32)))
  (import "wasi" "block" (func $block (param i32)))
  (import "wasi" "random" (func $random (param i64 i32)))
  (func $put (param $at i32) (param $length i32)
    (local $out i32) (local $now i32)
    (local.set $out (call $get-stdout))
    (loop $more
      (local.set $now (select (local.get $length) (i32.const 4096) (i32.lt_u (local.get $length) (i32.const 4096))))
      (call $write (local.get $out) (local.get $at) (local.get $now) (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then unreachable))
      (local.set $at (i32.add (local.get $at) (local.get $now)))
      (br_if $more (local.tee $length (i32.sub (local.get $length) (local.get $now))))))"""
"""What PRELUDE in a program stands for. `$put` writes to standard output, in as many pieces as it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run. `program` is the path of a component, or the name of one of our own texts."""

    name: str
    program: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    input: str = ""
    """The path of a file, or text after a colon."""
    repeat: int = 1
    """How often the input is given."""
    seed: str = "00"
    """One byte, as two hex digits, 32 times."""
    clock: int = 1_700_000_000
    fuel: int = 2_000_000_000
    memory_bytes: int = 64 << 20

    def component(self) -> bytes:
        """The bytes that are run."""
        return _component(self.program)

    def run(self, path: Path, digest: str) -> Run:
        """As the sandbox wants it."""
        grant = Grant(
            fuel=self.fuel,
            memory_bytes=self.memory_bytes,
            wall_ms=60_000,
            input_bytes=1 << 20,
            output_bytes=1 << 20,
            log_bytes=1 << 16,
        )
        return Run(
            job=JobId("00" * 32),
            attempt=1,
            component=path,
            digest=digest,
            args=self.args,
            env=self.env,
            stdin=self._stdin() * self.repeat,
            grant=grant,
            clock=self.clock,
            seed=bytes.fromhex(self.seed) * 32,
        )

    def _stdin(self) -> bytes:
        return self.input[1:].encode() if self.input[:1] in ("", ":") else (ROOT / self.input).read_bytes()


@cache
def _component(program: str) -> bytes:
    if program.endswith(".wasm"):
        return (ROOT / program).read_bytes()
    own = HERE / "programs" / f"{program}.wat"
    return command(own.read_text().replace("PRELUDE", _PRELUDE)) if own.is_file() else guest(program)


def load() -> dict[str, tuple[Case, dict[str, Any]]]:
    """By name: each case, and what it must give (nothing for a new one)."""
    found: dict[str, tuple[Case, dict[str, Any]]] = {}
    for entry in json.loads(FILE.read_text()):
        entry = dict(entry)
        expected = entry.pop("gives", {})
        entry["args"] = tuple(entry.get("args", ()))
        entry["env"] = tuple((name, value) for name, value in entry.get("env", ()))
        case = Case(**entry)
        if case.name in found:
            raise ValueError(f"two cases are called {case.name}")
        found[case.name] = (case, expected)
    return found


def store(results: dict[str, dict[str, Any]]) -> None:
    """Write these results beside their cases."""
    entries = [entry | {"gives": results[entry["name"]]} for entry in json.loads(FILE.read_text())]
    FILE.write_text("[\n" + ",\n".join(_pretty(entry) for entry in entries) + "\n]\n")


def _pretty(entry: dict[str, Any]) -> str:
    case = {name: value for name, value in entry.items() if name != "gives"}
    return json.dumps(case, ensure_ascii=False)[:-1] + ',\n "gives": ' + json.dumps(entry["gives"]) + "}"


def figures(component: bytes, report: RunReport) -> dict[str, Any]:
    """All of a run that must be the same everywhere."""
    return {
        "component": sha256(component).hexdigest(),
        "outcome": report.outcome.value,
        "exit": report.exit_code,
        "fuel": report.usage.fuel,
        "memory": report.usage.memory_bytes,
        "bytes": len(report.output),
        "output": sha256(report.output).hexdigest(),
        "log": sha256(report.log).hexdigest(),
        "detail": report.detail,
    }

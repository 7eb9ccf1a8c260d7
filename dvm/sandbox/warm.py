"""Our own smallest command, in text form: what the zygote tests itself with and what warms every worker up.

It asks WASI to wait for nothing at all, which the engine answers with a trap, but only after it has started the
machinery for waiting; then, as `run` proper, it succeeds.
"""

from __future__ import annotations

TEXT = b"""
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "poll" (func (param "in" (list (borrow $p))) (result (list u32))))))
  (core module $m
    (import "host" "poll" (func $poll (param i32 i32 i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
    (func (export "run") (result i32) (i32.const 0))
    (func (export "wait") (result i32) (call $poll (i32.const 0) (i32.const 0) (i32.const 16)) (i32.const 0)))
  (core module $stub_memory (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
  (core instance $store (instantiate $stub_memory))
  (alias core export $store "memory" (core memory $memory))
  (alias core export $store "realloc" (core func $realloc))
  (core func $lowered (canon lower (func $poll "poll") (memory (core memory $memory))
    (realloc (core func $realloc))))
  (core instance $i (instantiate $m (with "host" (instance (export "poll" (func $lowered))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (func $wait (result (result)) (canon lift (core func $i "wait")))
  (instance $cli (export "run" (func $run)))
  (instance $warm (export "run" (func $wait)))
  (export "wasi:cli/run@0.2.0" (instance $cli))
  (export "dvm:warm/wait@0.2.0" (instance $warm)))
"""

RUN = "wasi:cli/run@0.2.0"
WAIT = "dvm:warm/wait@0.2.0"

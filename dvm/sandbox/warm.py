"""Our own smallest command, in text form: what the zygote tests itself with and what warms every worker up.

As `run` it does nothing and succeeds. `wait` waits for a point in time that has passed: that takes no time, but starts
the one thread of the engine's WASI library while threads can still be started. `past` gives such a point in time away:
what a guest gets that wants to sleep.
"""

from __future__ import annotations

TEXT = b"""
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $pollable))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core module $m
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (func (export "run") (result i32) (i32.const 0))
    (func (export "wait") (result i32)
      (call $block (call $subscribe (i64.const 0)))
      (i32.const 0))
    (func (export "past") (result i32) (call $subscribe (i64.const 0))))
  (core instance $i (instantiate $m
    (with "host" (instance (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (func $wait (result (result)) (canon lift (core func $i "wait")))
  (instance $cli (export "run" (func $run)))
  (func $past (result (own $pollable)) (canon lift (core func $i "past")))
  (instance $warm (export "run" (func $wait)) (export "past" (func $past)))
  (export "wasi:cli/run@0.2.0" (instance $cli))
  (export "dvm:warm/wait@0.2.0" (instance $warm)))
"""

RUN = "wasi:cli/run@0.2.0"
WAIT = "dvm:warm/wait@0.2.0"

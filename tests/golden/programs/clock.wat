;; Its clock before work, after work, and after it has slept.
(core module $main
  PRELUDE
  (func (export "run") (result i32)
    (local $n i32)
    (i64.store (i32.const 256) (call $ticks))
    (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
    (i64.store (i32.const 264) (call $ticks))
    (call $block (call $after (i64.const 3600000000000)))
    (i64.store (i32.const 272) (call $ticks))
    (call $wall (i32.const 280))
    (call $put (i32.const 256) (i32.const 36)) (i32.const 0)))

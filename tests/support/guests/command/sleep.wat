;; Asks the host to wake it in an hour. No guest instruction runs meanwhile: neither fuel nor an epoch ends it.
(core module $main
  (import "wasi" "after" (func $after (param i64) (result i32)))
  (import "wasi" "block" (func $block (param i32)))
  (func (export "run") (result i32)
    (call $block (call $after (i64.const 3_600_000_000_000)))
    (i32.const 0)))

;; A memory with 64-bit addresses, inside the component.
(core module $main
  PRELUDE
  (memory $wide i64 2 40)
  (func (export "run") (result i32)
    (local $n i64)
    (loop $l
      (i64.store $wide offset=8 (i64.mul (local.get $n) (i64.const 24)) (i64.mul (local.get $n) (i64.const 0x123456789abcdef)))
      (br_if $l (i64.lt_u (local.tee $n (i64.add (local.get $n) (i64.const 1))) (i64.const 5000))))
    (i64.store (i32.const 256) (memory.grow $wide (i64.const 10)))
    (i64.store (i32.const 264) (memory.grow $wide (i64.const 0x100000000)))
    (memory.fill $wide (i64.const 700000) (i32.const 7) (i64.const 1000))
    (memory.copy 0 $wide (i32.const 272) (i64.const 119000) (i32.const 1000))
    (memory.copy 0 $wide (i32.const 1272) (i64.const 700990) (i32.const 20))
    (call $put (i32.const 256) (i32.const 1036)) (i32.const 0)))

;; fib(24), by calls: 75,000 of them.
(core module $main
  PRELUDE
  (func $fib (param i32) (result i64)
    (if (result i64) (i32.lt_u (local.get 0) (i32.const 2)) (then (i64.extend_i32_u (local.get 0)))
      (else (i64.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "run") (result i32)
    (i64.store (i32.const 256) (call $fib (i32.const 24))) (call $put (i32.const 256) (i32.const 8)) (i32.const 0)))

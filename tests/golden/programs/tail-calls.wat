;; Two functions that hand a long computation to each other without a stack.
(core module $main
  PRELUDE
  (type $step (func (param i64 i64) (result i64)))
  (table 2 funcref) (elem (i32.const 0) $even $odd)
  (func $even (type $step)
    (if (i64.eqz (local.get 0)) (then (return (local.get 1))))
    (return_call $odd (i64.sub (local.get 0) (i64.const 1)) (i64.mul (local.get 1) (i64.const 31))))
  (func $odd (type $step)
    (if (i64.eqz (local.get 0)) (then (return (i64.const -1))))
    (return_call_indirect (type $step) (i64.sub (local.get 0) (i64.const 1)) (i64.add (local.get 1) (local.get 0)) (i32.const 0)))
  (func (export "run") (result i32)
    (i64.store (i32.const 256) (call $even (i64.const 200000) (i64.const 1)))
    (call $put (i32.const 256) (i32.const 8)) (i32.const 0)))

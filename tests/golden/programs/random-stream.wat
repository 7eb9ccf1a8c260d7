;; 3 times 5,000 bytes of randomness, in one piece after the other.
(core module $main
  PRELUDE
  (func $some
    (call $reset) (call $random (i64.const 5000) (i32.const 0))
    (call $put (i32.load (i32.const 0)) (i32.const 5000)))
  (func (export "run") (result i32) (call $some) (call $some) (call $some) (i32.const 0)))

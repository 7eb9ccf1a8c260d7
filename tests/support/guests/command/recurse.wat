;; Calls itself until the stack is exhausted.
(core module $main
  (func $deeper (param $n i32) (result i32)
    (i32.add (call $deeper (i32.add (local.get $n) (i32.const 1))) (local.get $n)))
  (func (export "run") (result i32) (call $deeper (i32.const 0))))

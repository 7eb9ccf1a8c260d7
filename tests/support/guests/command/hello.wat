;; Prints "hello\n" and succeeds.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (data (i32.const 256) "hello\n")
  (func (export "run") (result i32)
    (call $write (call $get-stdout) (i32.const 256) (i32.const 6) (i32.const 0))
    (i32.load8_u (i32.const 0))))

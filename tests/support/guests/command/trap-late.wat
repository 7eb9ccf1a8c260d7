;; Prints "so far so good\n", then divides by zero: output that exists must not make the run a success.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (data (i32.const 256) "so far so good\n")
  (func (export "run") (result i32)
    (call $write (call $get-stdout) (i32.const 256) (i32.const 15) (i32.const 0))
    (i32.div_u (i32.const 1) (i32.const 0))))

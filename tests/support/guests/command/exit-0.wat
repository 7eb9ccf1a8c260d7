;; Prints "bye\n" and leaves by wasi:cli/exit with success; what run would return is the opposite.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (import "wasi" "exit" (func $exit (param i32)))
  (data (i32.const 256) "bye\n")
  (func (export "run") (result i32)
    (call $write (call $get-stdout) (i32.const 256) (i32.const 4) (i32.const 0))
    (call $exit (i32.const 0))
    (i32.const 1)))

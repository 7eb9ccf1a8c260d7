;; Says "no\n" on stderr and returns failure from run.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stderr" (func $get-stderr (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (data (i32.const 256) "no\n")
  (func (export "run") (result i32)
    (call $write (call $get-stderr) (i32.const 256) (i32.const 3) (i32.const 0))
    (i32.const 1)))

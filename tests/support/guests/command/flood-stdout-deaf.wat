;; As flood-stdout, but never looks whether its writes succeed.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (func (export "run") (result i32)
    (local $out i32)
    (local.set $out (call $get-stdout))
    (memory.fill (i32.const 4096) (i32.const 120) (i32.const 4096))
    (loop $again
      (call $write (local.get $out) (i32.const 4096) (i32.const 4096) (i32.const 0))
      (br $again))
    unreachable))

;; Writes the letter "x", 4096 at a time, to stdout for ever; fails when a write fails.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (func (export "run") (result i32)
    (local $out i32)
    (local.set $out (call $get))
    (memory.fill (i32.const 4096) (i32.const 120) (i32.const 4096))
    (loop $again
      (call $write (local.get $out) (i32.const 4096) (i32.const 4096) (i32.const 0))
      (br_if $again (i32.eqz (i32.load8_u (i32.const 0)))))
    (i32.const 1)))

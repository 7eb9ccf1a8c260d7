;; Writes 36 raw bytes: wall clock (u64 seconds, u32 nanoseconds), monotonic clock (u64 nanoseconds), all
;; little-endian, and 16 bytes of wasi:random/random.
(core module $main
  (import "store" "memory" (memory 1))
  (import "store" "reset" (func $reset))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (import "wasi" "wall" (func $wall (param i32)))
  (import "wasi" "ticks" (func $ticks (result i64)))
  (import "wasi" "random" (func $random (param i64 i32)))
  (func (export "run") (result i32)
    (call $wall (i32.const 256))
    (i64.store (i32.const 268) (call $ticks))
    (call $reset)
    (call $random (i64.const 16) (i32.const 0))
    (memory.copy (i32.const 276) (i32.load (i32.const 0)) (i32.const 16))
    (call $write (call $get-stdout) (i32.const 256) (i32.const 36) (i32.const 0))
    (i32.load8_u (i32.const 0))))

;; Counts to 1,500 million, then prints "done\n": some seconds of work whose end anybody can wait for.
(core module $main
  (import "store" "memory" (memory 1))
  (import "wasi" "get-stdout" (func $get-stdout (result i32)))
  (import "wasi" "write" (func $write (param i32 i32 i32 i32)))
  (data (i32.const 256) "done\n")
  (func (export "run") (result i32)
    (local $n i64)
    (loop $again
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (br_if $again (i64.lt_u (local.get $n) (i64.const 1_500_000_000))))
    (call $write (call $get-stdout) (i32.const 256) (i32.const 5) (i32.const 0))
    (i32.load8_u (i32.const 0))))

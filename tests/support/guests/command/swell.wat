;; Grows its memory by 16 pages (1 MiB) at a time and writes to every 4096 bytes of them, until it is refused; then
;; traps as an allocator would.
(core module $main
  (import "store" "memory" (memory 1))
  (func (export "run") (result i32)
    (local $at i32) (local $left i32)
    (loop $again
      (local.set $at (memory.grow (i32.const 16)))
      (if (i32.eq (local.get $at) (i32.const -1)) (then unreachable))
      (local.set $at (i32.shl (local.get $at) (i32.const 16)))
      (local.set $left (i32.const 256))
      (loop $touch
        (i32.store (local.get $at) (i32.const 165))
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (br_if $touch (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (br $again))
    unreachable))

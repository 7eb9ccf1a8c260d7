;; Grows its memory by 16 pages (1 MiB) at a time and writes to each, until it is refused; then traps as an
;; allocator would.
(core module $main
  (import "store" "memory" (memory 1))
  (func (export "run") (result i32)
    (local $page i32)
    (loop $again
      (local.set $page (memory.grow (i32.const 16)))
      (if (i32.eq (local.get $page) (i32.const -1)) (then unreachable))
      (memory.fill (i32.shl (local.get $page) (i32.const 16)) (i32.const 165) (i32.const 1048576))
      (br $again))
    unreachable))

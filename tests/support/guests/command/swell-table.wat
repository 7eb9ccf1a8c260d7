;; Grows a table by 65,536 elements at a time until it is refused, then traps.
(core module $main
  (table $t 1 funcref)
  (func (export "run") (result i32)
    (loop $again
      (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 65536)) (i32.const -1))))
    unreachable))

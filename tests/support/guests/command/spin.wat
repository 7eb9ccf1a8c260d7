;; Counts for ever.
(core module $main
  (func (export "run") (result i32)
    (local $n i64)
    (loop $again
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (br $again))
    unreachable))

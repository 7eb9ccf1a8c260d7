;; Counts for ever before "run" is ever called: in the start function, while the component is instantiated.
(core module $main
  (func $count
    (local $n i64)
    (loop $again
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (br $again)))
  (start $count)
  (func (export "run") (result i32) (i32.const 0)))

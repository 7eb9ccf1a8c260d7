;; A small machine: br_table, many values, loops with results, selects.
(core module $main
  PRELUDE
  (func $swap (param i64 i64) (result i64 i64) (local.get 1) (local.get 0))
  (func (export "run") (result i32)
    (local $n i32) (local $x i64) (local $y i64)
    (local.set $x (i64.const 1)) (local.set $y (i64.const 2))
    (loop $l
      (block $d (block $c (block $b (block $a (br_table $a $b $c $d (i32.wrap_i64 (i64.and (local.get $x) (i64.const 7)))))
            (call $swap (local.get $x) (local.get $y)) (local.set $x) (local.set $y) (br $d))
          (local.set $x (i64.add (local.get $x) (local.get $y))) (br $d))
        (local.set $y (select (local.get $x) (i64.mul (local.get $y) (i64.const 5)) (i64.lt_s (local.get $x) (local.get $y)))))
      (local.set $x (i64.add (i64.rotl (local.get $x) (i64.const 1)) (i64.extend_i32_u (local.get $n))))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000))))
    (i64.store (i32.const 256) (local.get $x)) (i64.store (i32.const 264) (local.get $y))
    (call $put (i32.const 256) (i32.const 16)) (i32.const 0)))

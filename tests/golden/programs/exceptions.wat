;; Throws, catches, and throws again.
(core module $main
  PRELUDE
  (tag $small (param i32)) (tag $large (param i64 f64))
  (func $thrower (param $n i32)
    (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 3))) (then (throw $small (local.get $n))))
    (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 5)))
      (then (throw $large (i64.extend_i32_u (local.get $n)) (f64.convert_i32_u (local.get $n))))))
  (func $middle (param $n i32)
    (block $again (result exnref)
      (try_table (catch_all_ref $again) (call $thrower (local.get $n)))
      (return))
    (throw_ref))
  (func (export "run") (result i32)
    (local $n i32) (local $sum i64) (local $f f64) (local $k i32)
    (loop $l
      (block $done
        (block $small (result i32)
          (block $large (result i64 f64)
            (try_table (catch $small $small) (catch $large $large) (call $middle (local.get $n)))
            (br $done))
          (local.set $f (f64.add (local.get $f)))
          (local.set $sum (i64.add (local.get $sum)))
          (br $done))
        (local.set $k)
        (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 3)) (i64.extend_i32_u (local.get $k)))))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000))))
    (i64.store (i32.const 256) (local.get $sum)) (f64.store (i32.const 264) (local.get $f))
    (call $put (i32.const 256) (i32.const 16)) (i32.const 0)))

;; 64-bit integers: products, quotients, bits, and a long generator of pseudo-random numbers.
(core module $main
  PRELUDE
  (func (export "run") (result i32)
    (local $n i32) (local $x i64) (local $y i64)
    (local.set $x (i64.const 0x9e3779b97f4a7c15)) (local.set $y (i64.const -7046029254386353131))
    (loop $l
      (local.set $x (i64.xor (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.shr_u (local.get $y) (i64.const 27))))
      (local.set $y (i64.add (i64.rotr (local.get $y) (i64.and (local.get $x) (i64.const 63))) (i64.div_s (local.get $x) (i64.const -1000003))))
      (local.set $y (i64.xor (local.get $y) (i64.rem_u (local.get $x) (i64.or (local.get $y) (i64.const 1)))))
      (local.set $x (i64.add (local.get $x) (i64.extend16_s (local.get $y))))
      (local.set $x (i64.sub (local.get $x) (i64.add (i64.clz (local.get $y)) (i64.mul (i64.ctz (local.get $x)) (i64.popcnt (local.get $y))))))
      (i64.store (i32.add (i32.const 256) (i32.shl (i32.and (local.get $n) (i32.const 255)) (i32.const 3))) (local.get $x))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100000))))
    (call $put (i32.const 256) (i32.const 2048)) (i32.const 0)))

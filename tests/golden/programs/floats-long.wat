;; Long sums and products, in which a single other rounding would show.
(core module $main
  PRELUDE
  (func (export "run") (result i32)
    (local $n i32) (local $a f32) (local $b f64) (local $c f64) (local $d f32)
    (local.set $c (f64.const 1)) (local.set $d (f32.const 0.1))
    (loop $l
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (local.set $a (f32.add (local.get $a) (f32.div (f32.const 1) (f32.convert_i32_s (local.get $n)))))
      (local.set $b (f64.add (local.get $b) (f64.sqrt (f64.div (f64.const 1) (f64.convert_i32_u (local.get $n))))))
      (local.set $c (f64.sub (f64.mul (f64.const 3.9) (local.get $c)) (f64.mul (f64.const 3.9)
        (f64.mul (local.get $c) (f64.mul (local.get $c) (f64.const 0.25))))))
      (local.set $d (f32.mul (f32.mul (f32.const 3.7) (local.get $d)) (f32.sub (f32.const 1) (local.get $d))))
      (br_if $l (i32.lt_u (local.get $n) (i32.const 200000))))
    (f32.store (i32.const 256) (local.get $a)) (f64.store (i32.const 260) (local.get $b))
    (f64.store (i32.const 268) (local.get $c)) (f32.store (i32.const 276) (local.get $d))
    (call $put (i32.const 256) (i32.const 24)) (i32.const 0)))

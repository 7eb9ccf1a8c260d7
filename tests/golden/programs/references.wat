;; Calls through typed references to functions.
(core module $main
  PRELUDE
  (type $f (func (param i64) (result i64)))
  (elem declare func $a $b)
  (func $a (type $f) (i64.add (i64.mul (local.get 0) (i64.const 3)) (i64.const 1)))
  (func $b (type $f) (i64.xor (local.get 0) (i64.shr_u (local.get 0) (i64.const 7))))
  (func (export "run") (result i32)
    (local $n i32) (local $x i64) (local $g (ref null $f))
    (local.set $x (i64.const 77))
    (loop $l
      (local.set $g (select (result (ref null $f)) (ref.func $a) (ref.func $b) (i32.wrap_i64 (i64.and (local.get $x) (i64.const 1)))))
      (local.set $x (call_ref $f (local.get $x) (local.get $g)))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50000))))
    (i64.store (i32.const 256) (local.get $x)) (call $put (i32.const 256) (i32.const 8)) (i32.const 0)))

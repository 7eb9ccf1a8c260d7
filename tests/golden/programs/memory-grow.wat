;; Grows its own memory in a pattern until and beyond what it gets; the answers, and a checksum of what it wrote.
(core module $main
  PRELUDE
  (memory $own 1 4000)
  (func (export "run") (result i32)
    (local $n i32) (local $got i32) (local $sum i64)
    (loop $l
      (local.set $got (memory.grow $own (i32.rem_u (i32.mul (local.get $n) (i32.const 7)) (i32.const 13))))
      (i32.store (i32.add (i32.const 256) (i32.shl (local.get $n) (i32.const 2))) (local.get $got))
      (i64.store $own (i32.sub (i32.shl (memory.size $own) (i32.const 16)) (i32.const 8)) (i64.extend_i32_u (local.get $n)))
      (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 5)) (i64.load $own (i32.const 65528))))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 64))))
    (i64.store (i32.const 512) (local.get $sum))
    (call $put (i32.const 256) (i32.const 264)) (i32.const 0)))

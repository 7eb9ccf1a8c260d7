;; Fills, overlapping copies, and passive data.
(core module $main
  PRELUDE
  (data $seed "The quick brown fox jumps over the lazy dog. 0123456789")
  (func (export "run") (result i32)
    (local $n i32)
    (memory.fill (i32.const 256) (i32.const 0x5a) (i32.const 8000))
    (loop $l
      (memory.init $seed (i32.add (i32.const 300) (i32.mul (local.get $n) (i32.const 61))) (i32.const 4) (i32.const 40))
      (memory.copy (i32.add (i32.const 301) (local.get $n)) (i32.const 300) (i32.const 4000))
      (memory.copy (i32.const 280) (i32.const 287) (i32.sub (i32.const 5000) (local.get $n)))
      (memory.fill (i32.add (i32.const 4000) (i32.mul (local.get $n) (i32.const 17))) (local.get $n) (local.get $n))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
    (data.drop $seed)
    (memory.init $seed (i32.const 256) (i32.const 0) (i32.const 0))
    (call $put (i32.const 256) (i32.const 8000)) (i32.const 0)))

;; Three memories, copied between.
(core module $main
  PRELUDE
  (memory $a 1) (memory $b 2 3)
  (data (memory $a) (i32.const 100) "first memory")
  (func (export "run") (result i32)
    (local $n i32)
    (memory.copy $b $a (i32.const 70000) (i32.const 90) (i32.const 40))
    (loop $l
      (i32.store8 $a (i32.add (local.get $n) (i32.const 500)) (i32.add (i32.load8_u $b (i32.add (i32.const 70000) (i32.and (local.get $n) (i32.const 31)))) (local.get $n)))
      (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3000))))
    (memory.fill $b (i32.const 131000) (i32.const 9) (i32.const 72))
    (memory.copy 0 $a (i32.const 256) (i32.const 480) (i32.const 1000))
    (memory.copy 0 $b (i32.const 1256) (i32.const 130990) (i32.const 82))
    (i32.store (i32.const 1340) (memory.grow $b (i32.const 1))) (i32.store (i32.const 1344) (memory.grow $b (i32.const 1)))
    (call $put (i32.const 256) (i32.const 1092)) (i32.const 0)))

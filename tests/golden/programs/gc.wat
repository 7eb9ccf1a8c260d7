;; Structures and arrays that the engine collects; more of them than would fit at once.
(core module $main
  PRELUDE
  (type $bytes (array (mut i8)))
  (rec (type $node (sub (struct (field $next (ref null $node)) (field $value (mut i64)))))
       (type $leaf (sub $node (struct (field $next (ref null $node)) (field $value (mut i64)) (field $more (ref $bytes))))))
  (func $push (param $list (ref null $node)) (param $n i32) (result (ref $node))
    (if (result (ref $node)) (i32.and (local.get $n) (i32.const 1))
      (then (struct.new $node (local.get $list) (i64.extend_i32_u (local.get $n))))
      (else (struct.new $leaf (local.get $list) (i64.const -3) (array.new $bytes (local.get $n) (i32.const 20))))))
  (func (export "run") (result i32)
    (local $n i32) (local $list (ref null $node)) (local $sum i64) (local $round i32) (local $a (ref $bytes)) (local $i anyref)
    (loop $rounds
      (local.set $list (ref.null $node)) (local.set $n (i32.const 0))
      (loop $l
        (local.set $list (call $push (local.get $list) (local.get $n)))
        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
      (block $end
        (loop $walk
          (br_if $end (ref.is_null (local.get $list)))
          (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 1)) (struct.get $node $value (local.get $list))))
          (if (ref.test (ref $leaf) (local.get $list)) (then
            (local.set $sum (i64.xor (local.get $sum) (i64.extend_i32_u
              (array.get_s $bytes (struct.get $leaf $more (ref.cast (ref $leaf) (local.get $list))) (i32.const 19)))))))
          (local.set $list (struct.get $node $next (local.get $list)))
          (br $walk)))
      (br_if $rounds (i32.lt_u (local.tee $round (i32.add (local.get $round) (i32.const 1))) (i32.const 50))))
    (local.set $a (array.new_fixed $bytes 5 (i32.const 1) (i32.const 2) (i32.const 255) (i32.const 300) (i32.const -1)))
    (array.copy $bytes $bytes (local.get $a) (i32.const 1) (local.get $a) (i32.const 0) (i32.const 4))
    (local.set $i (ref.i31 (i32.const 0x7fffffff)))
    (i64.store (i32.const 256) (local.get $sum))
    (i32.store (i32.const 264) (array.get_u $bytes (local.get $a) (i32.const 4)))
    (i32.store (i32.const 268) (i31.get_s (ref.cast (ref i31) (local.get $i))))
    (i32.store (i32.const 272) (array.len (local.get $a)))
    (call $put (i32.const 256) (i32.const 20)) (i32.const 0)))

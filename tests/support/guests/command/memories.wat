;; Forty core instances with a memory of 64 MiB each, all of it touched: a limit per memory does not hold this one.
(core module $big (memory (export "memory") 1024)
  (func $touch
    (local $at i32)
    (loop $next
      (i32.store (local.get $at) (i32.const 165))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 67108864)))))
  (start $touch))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))
(core module $main
  (func (export "run") (result i32) (i32.const 0)))

;; Imports an interface that nobody has heard of.
(component
  (import "acme:mystery/door@1.0.0" (instance $door
    (export "open" (func (param "key" string) (result bool)))))
  (core module $main (func (export "run") (result i32) (i32.const 0)))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

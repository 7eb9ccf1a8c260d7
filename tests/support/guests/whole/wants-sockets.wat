;; Imports the network, which no grant holds, and otherwise does nothing.
(component
  (import "wasi:sockets/network@0.2.0" (instance $network
    (export "network" (type (sub resource)))))
  (alias export $network "network" (type $n))
  (import "wasi:sockets/instance-network@0.2.0" (instance $instance-network
    (export "network" (type $network (eq $n)))
    (export "instance-network" (func (result (own $network))))))
  (core module $main (func (export "run") (result i32) (i32.const 0)))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

;; Imports outgoing HTTP (of its types only the resources), which no grant holds.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "outgoing-request" (type (sub resource)))
    (export "future-incoming-response" (type (sub resource)))))
  (alias export $types "outgoing-request" (type $q))
  (alias export $types "future-incoming-response" (type $a))
  (import "wasi:http/outgoing-handler@0.2.0" (instance $handler
    (export "outgoing-request" (type $request (eq $q)))
    (export "future-incoming-response" (type $response (eq $a)))
    (export "handle" (func (param "request" (own $request)) (result (result (own $response)))))))
  (core module $main (func (export "run") (result i32) (i32.const 0)))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

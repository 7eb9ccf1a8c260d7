;; Executes "unreachable".
(core module $main
  (func (export "run") (result i32) unreachable))

;; A wasi:cli/command around one core module, which stands in command/ and takes the place of the line CORE.
;;
;; The core module imports what it needs from "wasi" (below), its memory of one page or more from "store", and
;; exports "run": 0 is success, 1 failure. Calls that give back more than one number write it where their last
;; argument points. The host puts lists and strings from 32768 upwards, and starts there again for every list.
(component
  (import "wasi:io/error@0.2.0" (instance $io-error
    (export "error" (type (sub resource)))))
  (alias export $io-error "error" (type $error))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "input-stream" (type $i (sub resource)))
    (export "output-stream" (type $o (sub resource)))
    (alias outer 1 $error (type $e))
    (type $failure (variant (case "last-operation-failed" (own $e)) (case "closed")))
    (export "stream-error" (type $f (eq $failure)))
    (export "[method]input-stream.blocking-read" (func
      (param "self" (borrow $i)) (param "len" u64) (result (result (list u8) (error $f)))))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $o)) (param "contents" (list u8)) (result (result (error $f)))))))
  (alias export $streams "input-stream" (type $input-stream))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdin@0.2.0" (instance $stdin
    (export "input-stream" (type $i (eq $input-stream)))
    (export "get-stdin" (func (result (own $i))))))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (export "output-stream" (type $o (eq $output-stream)))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (export "output-stream" (type $o (eq $output-stream)))
    (export "get-stderr" (func (result (own $o))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-arguments" (func (result (list string))))
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit
    (export "exit" (func (param "status" (result))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $wall-clock
    (type $d (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $d)))
    (export "now" (func (result $datetime)))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $monotonic-clock
    (alias outer 1 $pollable (type $pollable))
    (export "now" (func (result u64)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $pollable))))))
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))

  (core module $store
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 32768))
    ;; Strings of one list are allocated one after the other; "reset" begins anew before each call.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $free) (i32.const 65536)) (then unreachable))
      (local.get $at))
    (func (export "reset") (global.set $free (i32.const 32768))))
  (core instance $store (instantiate $store))
  (alias core export $store "memory" (core memory $m))
  (alias core export $store "realloc" (core func $realloc))

  (core func $get-stdin (canon lower (func $stdin "get-stdin")))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read")
    (memory (core memory $m)) (realloc (core func $realloc))))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $m))))
  (core func $args (canon lower (func $environment "get-arguments")
    (memory (core memory $m)) (realloc (core func $realloc))))
  (core func $env (canon lower (func $environment "get-environment")
    (memory (core memory $m)) (realloc (core func $realloc))))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $wall (canon lower (func $wall-clock "now") (memory (core memory $m))))
  (core func $ticks (canon lower (func $monotonic-clock "now")))
  (core func $after (canon lower (func $monotonic-clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $random (canon lower (func $random "get-random-bytes")
    (memory (core memory $m)) (realloc (core func $realloc))))

  CORE

  (core instance $main (instantiate $main
    (with "store" (instance $store))
    (with "wasi" (instance
      (export "get-stdin" (func $get-stdin))
      (export "get-stdout" (func $get-stdout))
      (export "get-stderr" (func $get-stderr))
      (export "read" (func $read))
      (export "write" (func $write))
      (export "args" (func $args))
      (export "env" (func $env))
      (export "exit" (func $exit))
      (export "wall" (func $wall))
      (export "ticks" (func $ticks))
      (export "after" (func $after))
      (export "block" (func $block))
      (export "random" (func $random))))))

  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $command)))

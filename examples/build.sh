#!/bin/sh
# Rebuild the examples from their sources: examples/build.sh [echo] [thumbnail] [markdown]
#
# Without arguments all of them. Nothing is written outside this folder and the build folder; what has to be
# installed by hand is named in one sentence. The same tools give the same bytes: examples/check.py compares them.
# PYTHON names an interpreter that has wasmtime, BUILD a folder for intermediate files.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$here/../.venv/bin/python}
build=${BUILD:-${TMPDIR:-/tmp}/dvm-examples}
wasi=/usr/lib/wasm32-wasi
builtins=/usr/lib/llvm-16/lib/clang/16/lib/wasi/libclang_rt.builtins-wasm32.a
rust=/usr/lib/rustlib/src/rust/library
jco=$here/node_modules/.bin/jco

need() { # file, what it is for, packages
    if [ ! -e "$1" ]; then
        echo "$2 is missing; install it with: sudo apt install $3" >&2
        exit 1
    fi
}

need_jco() {
    need "$(command -v npm || echo /usr/bin/npm)" "npm, which fetches jco," "nodejs npm"
    if [ ! "$jco" -nt "$here/package-lock.json" ]; then
        (cd "$here" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch "$jco")
    fi
}

# A WASI 0.1 core module becomes a WASI 0.2 component by an adapter, which jco brings along.
component() { # core module, component
    need_jco
    "$jco" new "$1" --wasi-command -o "$2" >/dev/null
}

build_echo() {
    need "$python" "This project's virtual environment" "python3-venv (then: make test)"
    "$python" -c 'import sys, wasmtime; open(sys.argv[2], "wb").write(wasmtime.wat2wasm(open(sys.argv[1]).read()))' \
        "$here/echo/echo.wat" "$here/echo/echo.wasm"
}

build_thumbnail() {
    packages="clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32"
    need /usr/bin/clang-16 "The C compiler of the thumbnail example" "$packages"
    need /usr/bin/wasm-ld-16 "The linker for WebAssembly" "$packages"
    need "$wasi/libc.a" "The C library for WebAssembly" "$packages"
    need "$builtins" "The compiler's run-time library for WebAssembly" "$packages"
    (cd "$here/thumbnail/src" && clang-16 --target=wasm32-wasi -std=c17 -Wall -Wextra -Werror -Os -mbulk-memory -s \
        -o "$build/thumbnail.core.wasm" main.c inflate.c deflate.c scale.c png_read.c png_write.c)
    component "$build/thumbnail.core.wasm" "$here/thumbnail/thumbnail.wasm"
}

# Debian has the compiler and the source of the standard library for wasm32, but not the library: it is built first.
build_markdown() {
    packages="rustc-web cargo-web rust-web-src lld-16 wasi-libc"
    need /usr/bin/rustc "The Rust compiler of the markdown example" "$packages"
    need /usr/bin/cargo "Cargo" "$packages"
    need "$rust/vendor" "The source of Rust's standard library" "$packages"
    need /usr/bin/wasm-ld-16 "The linker for WebAssembly" "$packages"
    need "$wasi/crt1-command.o" "The C library for WebAssembly" "$packages"
    flags="-C linker=wasm-ld-16 -C link-self-contained=no -L native=$wasi -C link-arg=$wasi/crt1-command.o"
    # Neither paths nor texts of panics: smaller, and the same wherever it is built.
    flags="$flags -Z location-detail=none -Z fmt-debug=none -Z unstable-options -C panic=immediate-abort"
    (cd "$here/markdown" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" CARGO_TARGET_DIR="$build/rust" \
        /usr/bin/cargo build --quiet --release --locked --offline --target wasm32-wasip1 \
        -Z build-std=std,panic_abort -Z build-std-features=optimize_for_size \
        --config 'source.crates-io.replace-with="debian"' --config "source.debian.directory='$rust/vendor'")
    component "$build/rust/wasm32-wasip1/release/markdown.wasm" "$here/markdown/markdown.wasm"
}

mkdir -p "$build"
[ $# -gt 0 ] || set -- echo thumbnail markdown
for name in "$@"; do
    case $name in
    echo | thumbnail | markdown)
        echo "building $name"
        "build_$name"
        ;;
    *)
        echo "there is no example $name; there are echo, thumbnail and markdown" >&2
        exit 2
        ;;
    esac
done

#!/usr/bin/env python3
"""Compares the prebuilt components with SHA256SUMS and with the table in README.md.

`--update` writes both anew, after a deliberate change. Standard library only; exit code 1 if anything differs.
"""

from __future__ import annotations

import hashlib
import sys
from itertools import takewhile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANGUAGES = {"echo": "WebAssembly text", "markdown": "Rust", "thumbnail": "C"}
HEADER = "| example | written in | bytes | sha256 |\n| --- | --- | ---: | --- |\n"


def component(name: str) -> Path:
    return HERE / name / f"{name}.wasm"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sums() -> str:
    """As `sha256sum` writes them, relative to this folder."""
    return "".join(f"{digest(component(name))}  {name}/{name}.wasm\n" for name in LANGUAGES)


def table() -> str:
    rows = ""
    for name, language in LANGUAGES.items():
        path = component(name)
        rows += f"| [{name}]({name}/README.md) | {language} | {path.stat().st_size:,} | `{digest(path)}` |\n"
    return HEADER + rows


def with_table(readme: str, new: str) -> str:
    """`readme` with its table replaced."""
    before, _, after = readme.partition(HEADER)
    old = takewhile(lambda line: line.startswith("|"), after.splitlines(keepends=True))
    return before + new + after[len("".join(old)) :]


def main(arguments: list[str]) -> int:
    listed, readme = HERE / "SHA256SUMS", HERE / "README.md"
    missing = [name for name in LANGUAGES if not component(name).is_file()]
    if missing:
        print(f"not built: {', '.join(missing)}; run examples/build.sh")
        return 1
    if arguments == ["--update"]:
        listed.write_text(sums())
        readme.write_text(with_table(readme.read_text(), table()))
    elif arguments:
        print("usage: examples/check.py [--update]")
        return 2
    wrong = 0
    known = listed.read_text().splitlines()
    for line in sums().splitlines():
        same = line in known
        wrong += not same
        print(f"{line}  {'as listed' if same else 'NOT as listed in SHA256SUMS'}")
    if table() not in readme.read_text():
        wrong += 1
        print("the table in README.md is not the current one")
    if wrong:
        print("other versions of the tools give other bytes; after a deliberate change: examples/check.py --update")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

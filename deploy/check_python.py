"""Say in one sentence why this Python cannot carry the project, or nothing.

Runs before anything is installed, so it must be readable by any Python 3.6 and import nothing but the standard
library. Exit status 0: fit; 1: the sentence is on stderr.
"""

import importlib.util
import platform
import struct
import sys

OLDEST = (3, 11)
NEWEST = (3, 13)
MACHINES = ("x86_64", "aarch64")


def refusal(version: "tuple[int, ...]", pointer_bits: int, machine: str, has_venv: bool) -> "str | None":
    """The sentence, or None; `version` is (major, minor), `machine` as `uname -m` says it."""
    if pointer_bits != 64 or machine not in MACHINES:
        return (
            "dvm needs a 64-bit system (x86-64 or arm64), because the WebAssembly engine has no 32-bit build; "
            f"this is a {pointer_bits}-bit Python on {machine}."
        )
    if not OLDEST <= version <= NEWEST:
        return (
            f"dvm needs Python 3.11, 3.12 or 3.13 and this is Python {version[0]}.{version[1]}; "
            "name another one with PYTHON=/path/to/python3."
        )
    if not has_venv:
        return (
            "Python's venv module is incomplete here; install it with: "
            "sudo apt install python3-venv (then run the same command again)."
        )
    return None


def main() -> int:
    has_venv = all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip"))
    sentence = refusal(sys.version_info[:2], struct.calcsize("P") * 8, platform.machine(), has_venv)
    if sentence is None:
        return 0
    sys.stderr.write(sentence + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

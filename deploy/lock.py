"""Write and check the hash locks; for maintainers, `make lock` and `make lock-check`.

One universal lock serves CPython 3.11 to 3.13 on x86-64 and aarch64: the check downloads every pinned file
for each of the six targets, with hashes required. Every requirement is taken as a wheel, except the one in
SOURCE_ONLY, which its authors publish as source alone (docs/decisions/001-dependencies.md).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE_ONLY = "tlv8"
PYTHONS = ("3.11", "3.12", "3.13")
ARCHES = ("x86_64", "aarch64")
# Debian 12 has glibc 2.36. pip takes the tags literally, so each one that a wheel may carry is named.
GLIBCS = ("2014", "_2_5", "_2_17", "_2_24", "_2_26", "_2_27", "_2_28", "_2_31", "_2_34")
RELAY_REQUIREMENT = "nostr-relay==1.14\n"
BUILD_REQUIREMENTS = "hatchling>=1.27\npip>=26\nsetuptools>=80\n"
HEADERS = {
    "requirements.lock": "What `dvm` needs to run, `dvm demo` included.",
    "requirements-dev.lock": "What `make test` needs beside requirements.lock; it contains that lock whole.",
    "requirements-build.lock": "pip itself, and what turns this checkout and the one source-only requirement into "
    "wheels.",
    "tests/support/nostr-relay.lock": "The independent relay of the integration tests; a virtual environment "
    "of its own.",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("write", "check"))
    parser.add_argument("--uv", default="uv", help="the uv command that resolves (write)")
    parser.add_argument("--upgrade", action="store_true", help="move to newer versions (write)")
    args = parser.parse_args()
    if args.action == "write":
        write(args.uv, upgrade=args.upgrade)
        return 0
    return check()


def write(uv: str, *, upgrade: bool) -> None:
    """Resolve each lock anew; without `upgrade`, versions already locked stay."""
    project = str(ROOT / "pyproject.toml")
    resolve(uv, "requirements.lock", [project, "--extra", "demo"], upgrade=upgrade)
    # The runtime lock constrains the larger one: what is tested is what is installed.
    constraint = ["--constraint", str(ROOT / "requirements.lock")]
    resolve(
        uv,
        "requirements-dev.lock",
        [project, "--extra", "demo", "--extra", "dev", *constraint],
        upgrade=upgrade,
    )
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in (
            ("requirements-build.lock", BUILD_REQUIREMENTS),
            ("tests/support/nostr-relay.lock", RELAY_REQUIREMENT),
        ):
            source = Path(scratch) / "requirements.in"
            source.write_text(text)
            resolve(uv, name, [str(source)], upgrade=upgrade)


def resolve(uv: str, name: str, sources: list[str], *, upgrade: bool) -> None:
    output = ROOT / name
    flags = ["--universal", "--python-version", PYTHONS[0], "--generate-hashes", "--no-binary", SOURCE_ONLY]
    quiet = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / "lock"
        if output.exists() and not upgrade:
            fresh.write_text(output.read_text())  # uv keeps the versions that it finds there
        # No configuration of this machine takes part: neither its mirrors nor its local wheels.
        subprocess.run(
            [uv, "pip", "compile", "--no-config", *flags, *quiet, *sources, "-o", str(fresh)],
            check=True,
            env={key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))},
        )
        output.write_text(f"# {HEADERS[name]}\n# Written by `make lock`; do not edit.\n" + linux_only(fresh))


def linux_only(lock: Path) -> str:
    """The lock without what only other systems would install, and without markers that are always true here."""
    kept: list[str] = []
    for block in re.split(r"\n(?=[a-zA-Z0-9])", lock.read_text()):
        first, _, rest = block.partition("\n")
        name, _, marker = first.rstrip(" \\").partition(" ; ")
        if "sys_platform == 'win32'" in marker and "or" not in marker.split():
            continue
        marker = re.sub(r"(implementation_name|platform_python_implementation) != 'PyPy'( and )?", "", marker)
        kept.append(name + (f" ; {marker}" if marker else "") + " \\\n" + rest)
    return "\n".join(kept).rstrip("\n") + "\n"


def check() -> int:
    """Download every locked file for every target; 1 if one has no matching file."""
    failed = 0
    for name in HEADERS:
        for arch in ARCHES:
            for python in PYTHONS:
                failed |= not downloads(name, arch, python)
    return int(failed)


def downloads(name: str, arch: str, python: str) -> bool:
    with tempfile.TemporaryDirectory() as target:
        command = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        for glibc in GLIBCS:
            command += ["--platform", f"manylinux{glibc}_{arch}"]
        # The source-only requirement has one pure Python file for all targets: installing it anywhere proves it.
        # Markers are judged here, because pip would judge them for the machine it runs on.
        lock = Path(target) / "lock"
        blocks = re.split(r"\n(?=[a-zA-Z0-9])", (ROOT / name).read_text())
        kept = (b for b in blocks if not b.startswith(f"{SOURCE_ONLY}==") and meant_for(b, arch))
        lock.write_text("\n".join(kept))
        result = subprocess.run([*command, "-r", str(lock), "-d", target], check=False)
    print(f"{'ok  ' if result.returncode == 0 else 'FAIL'} {name} {arch} {python}", flush=True)
    return result.returncode == 0


def meant_for(block: str, arch: str) -> bool:
    named = re.search(r"platform_machine == '(\w+)'", block.partition("\n")[0])
    return named is None or named[1] == arch


if __name__ == "__main__":
    sys.exit(main())

"""The golden runs on an aarch64 that this machine plays: `make test-aarch64`.

Needs Debian's apt-get and the network, the first time; changes nothing of the system. Into .aarch64/ go, unpacked and
not installed: the emulator (qemu-user-static), Python for arm64 with the libraries it needs, and the wheels for aarch64
of the engine and two more, by the digests in requirements.lock. What cannot be had is said in one line, and the status
is 0.

User-mode emulation has no seccomp and no namespaces, so the engine runs in the emulated process itself, without the
walls of the sandbox: this shows that answers, fuel and memory are the same, and nothing about the walls.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".aarch64"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCE = f"deb [signed-by={KEYRING} arch=arm64,amd64] http://deb.debian.org/debian bookworm main\n"
EMULATOR = "qemu-user-static:amd64"
PYTHON = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1", "libstdc++6"),
    *("zlib1g", "libexpat1", "libffi8", "libssl3", "libbz2-1.0", "liblzma5", "libuuid1", "libcrypt1"),
)
WHEELS = ("wasmtime", "coincurve", "pynostr")
"""What the sandbox imports, and the modules of ours that it imports."""
WITHIN_S = 900


class Unavailable(Exception):
    """Something that is needed cannot be had here; the text is one line."""


def call(*command: str, cwd: Path = ROOT) -> None:
    """Run it, quiet unless it fails; raises `Unavailable`."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Unavailable(f"{command[0]} failed: {words[-1]}")


def debian_packages() -> None:
    """Download the packages with a package database of our own, and unpack them."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Unavailable(f"{tool} is missing; the emulator and its Python come from Debian")
    if not KEYRING.is_file():
        raise Unavailable(f"{KEYRING} is missing, which the packages are checked against")
    lists, packages = PLACE / "apt", PLACE / "packages"
    for folder in (lists / "lists" / "partial", lists / "archives" / "partial", packages):
        folder.mkdir(parents=True, exist_ok=True)
    (lists / "status").touch()
    (lists / "sources.list").write_text(SOURCE)
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "amd64",
        "APT::Sandbox::User": "",
        "Dir::State": str(lists),
        "Dir::State::lists": str(lists / "lists"),
        "Dir::State::status": str(lists / "status"),
        "Dir::Cache": str(lists),
        "Dir::Etc::sourcelist": str(lists / "sources.list"),
        "Dir::Etc::sourceparts": "-",
    }
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    call(*apt, "update")
    call(*apt, "download", EMULATOR, *(f"{name}:arm64" for name in PYTHON), cwd=packages)
    for package in sorted(packages.glob("*.deb")):
        call("dpkg-deb", "-x", str(package), str(PLACE / ("emulator" if "_amd64" in package.name else "root")))


def wheels() -> None:
    """What the lock names, for this other machine."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = [re.search(rf"^{name}==(?:.*\\\n)+.*$", lock, re.MULTILINE) for name in WHEELS]
    if not all(blocks):
        raise Unavailable(f"requirements.lock does not name all of {', '.join(WHEELS)}")
    chosen = PLACE / "wheels.lock"
    chosen.write_text("".join(block[0] + "\n" for block in blocks if block), encoding="utf-8")
    target = ["--python-version", "3.11", "--implementation", "cp", "--only-binary=:all:"]
    for glibc in ("2014", "_2_28", "_2_17"):
        target += ["--platform", f"manylinux{glibc}_aarch64"]
    where = ("--target", str(PLACE / "site"), "--no-compile", "--no-deps")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q", "--require-hashes")
    call(*pip, *where, *target, "-r", str(chosen))


def prepare() -> None:
    """Once; instant afterwards, until the lock or this file changes."""
    ready = PLACE / "ready"
    newest = max(path.stat().st_mtime for path in (ROOT / "requirements.lock", Path(__file__)))
    if ready.exists() and ready.stat().st_mtime > newest:
        return
    if PLACE.exists():
        shutil.rmtree(PLACE)
    PLACE.mkdir()
    debian_packages()
    wheels()
    ready.touch()


def main() -> int:
    """0: as written, or nothing could be tried; 1: something differs."""
    if platform.machine() not in ("x86_64", "aarch64"):
        print(f"make test-aarch64: skipped: the emulator is for x86-64, this is {platform.machine()}")
        return 0
    command, environment = [sys.executable], dict(os.environ, PYTHONPATH=str(ROOT))
    if platform.machine() == "x86_64":
        try:
            prepare()
        except Unavailable as why:
            print(f"make test-aarch64: skipped: {why}")
            return 0
        emulator = PLACE / "emulator" / "usr" / "bin" / "qemu-aarch64-static"
        command = [str(emulator), "-L", str(PLACE / "root"), str(PLACE / "root" / "usr" / "bin" / "python3.11"), "-B"]
        environment["PYTHONPATH"] = f"{ROOT}:{PLACE / 'site'}"
        print("aarch64 by user-mode emulation, which has no seccomp and no namespaces: the walls are not tried here")
    return subprocess.run([*command, "-m", "tests.golden", "bare"], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

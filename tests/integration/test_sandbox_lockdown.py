"""Every fence is looked at after it was put up: one that does not stand is noticed, and nothing runs behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dvm.sandbox import lockdown

ROOT = Path(__file__).parents[2]

PRELUDE = """
import json, os, resource, sys
sys.path[:0] = json.loads(sys.argv[1])
from dvm.sandbox import kernel, landlock, lockdown, seccomp
from dvm.sandbox.seccomp import Profile
"""

CONFINE = "lockdown.confine_zygote(os.getppid())\n"


def ends(body: str) -> subprocess.CompletedProcess[str]:
    roots = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + body, json.dumps(roots)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_as_it_should_be() -> None:
    done = ends(
        CONFINE
        + "lockdown.confine_worker(os.getppid(), file_bytes=0, open_files=32)\n"
        + "lockdown.fence(data_bytes=1 << 30, cpu_seconds=5)\n"
        + "lockdown.lock(Profile.RUN)\n"
        + "os.write(1, b'locked')\n"
        + "os._exit(0)\n"
    )
    assert (done.returncode, done.stdout) == (0, "locked"), done.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("seccomp.install = lambda code: None", "filter is not in force"),
        ("seccomp.program = lambda *_: b'\\x06\\0\\0\\0\\0\\0\\xff\\x7f'", "filter is not in force"),
    ],
)
def test_a_filter_that_is_not_there(fault: str, words: str) -> None:
    done = ends(CONFINE + fault + "\nlockdown.lock(Profile.RUN)\nos.write(1, b'locked')\n")
    assert done.returncode != 0
    assert done.stdout == ""
    assert words in done.stderr


def test_a_kernel_that_refuses_the_filter() -> None:
    """As under a service manager whose own filter does not list seccomp(2)."""
    done = ends(
        CONFINE
        + """
import struct
number = kernel.SYSCALLS[kernel.MACHINE]["seccomp"]
ops = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
seccomp.install(b"".join(struct.pack("<HBBI", *op) for op in ops))
lockdown.lock(Profile.RUN)
os.write(1, b"locked")
"""
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "PermissionError" in done.stderr


@pytest.mark.parametrize(("option", "answer"), [("PR_GET_NO_NEW_PRIVS", 0), ("PR_GET_DUMPABLE", 1)])
def test_a_switch_that_does_not_move(option: str, answer: int) -> None:
    done = ends(
        f"""
real = kernel.prctl
kernel.prctl = lambda which, value=0: {answer} if which == kernel.{option} else real(which, value)
"""
        + CONFINE
        + "os.write(1, b'confined')\n"
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "LockdownError" in done.stderr


def test_capabilities_that_stay() -> None:
    done = ends("kernel.drop_capabilities = lambda: None\nkernel.has_capabilities = lambda: True\n" + CONFINE)
    assert "capabilities are left" in done.stderr


def test_a_limit_that_does_not_take() -> None:
    done = ends("resource.setrlimit = lambda *_: None\n" + CONFINE)
    assert "did not take" in done.stderr


def test_a_parent_that_is_gone() -> None:
    done = ends("lockdown.confine_zygote(1 << 20)\n")
    assert "parent process is gone" in done.stderr


def test_a_kernel_without_landlock_or_namespaces_is_reported_not_fatal() -> None:
    done = ends(
        """
from errno import EPERM
def no(flags):
    raise OSError(EPERM, "no")
kernel.unshare = no
landlock.abi = lambda: 0
layers = lockdown.confine_zygote(os.getppid())
print(json.dumps(layers))
"""
    )
    layers = json.loads(done.stdout)
    assert (layers["namespaces"], layers["landlock"]) == (False, False)
    assert all(layers[name] for name in lockdown.REQUIRED if name in layers)

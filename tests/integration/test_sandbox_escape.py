"""Native code in a locked worker tries to get out. Nothing may succeed.

Each probe is one system call, made by a process that has gone through exactly the confinement of a worker; it must be
killed or be told an errno. So that no probe is harmless by itself, the same probes are made without the filter first:
most of them succeed there, and how many is asserted as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = r"""
import ctypes, json, mmap, os, platform, resource, signal, sys

sys.path[:0] = json.loads(sys.argv[2])
from dvm.sandbox import lockdown
from dvm.sandbox.seccomp import Profile

mode = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
x86 = platform.machine() == "x86_64"
buffer = ctypes.create_string_buffer(4096)
here = ctypes.addressof(buffer)
path = ctypes.create_string_buffer(b"/etc/hostname")
shell = ctypes.create_string_buffer(b"/bin/true")
vector = (ctypes.c_void_p * 2)(ctypes.addressof(shell), None)
victim = os.fork()
if victim == 0:
    signal.pause()
    os._exit(0)
page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
page_at = ctypes.addressof(ctypes.c_char.from_buffer(page))
AT_FDCWD, P, Q = -100, ctypes.addressof(path), ctypes.addressof(shell)
RWX, PRIVATE = 7, 0x22

def number(on_x86, on_aarch64):
    return on_x86 if x86 else on_aarch64

PROBES = {
    "openat": (number(257, 56), AT_FDCWD, P, 0, 0),
    "openat for writing": (number(257, 56), AT_FDCWD, P, 1, 0),
    "stat": (number(262, 79), AT_FDCWD, P, here, 0),
    "socket inet": (number(41, 198), 2, 1, 0),
    "socket netlink": (number(41, 198), 16, 3, 0),
    "socketpair": (number(53, 199), 1, 1, 0, here),
    "clone": (number(56, 220), signal.SIGCHLD, 0, 0, 0, 0),
    "clone3": (435, here, 88),
    "execve": (number(59, 221), Q, ctypes.addressof(vector), 0),
    "ptrace attach": (number(101, 117), 16, victim, 0, 0),
    "kill": (number(62, 129), victim, 0),
    "tgkill": (number(234, 131), victim, victim, 0),
    "pidfd_open": (434, victim, 0),
    "process_vm_readv": (number(310, 270), victim, here, 0, here, 0, 0),
    "io_uring_setup": (425, 4, here),
    "memfd_create": (number(319, 279), Q, 0),
    "userfaultfd": (number(323, 282), 1),
    "bpf": (number(321, 280), 0, here, 64),
    "perf_event_open": (number(298, 241), here, 0, -1, -1, 0),
    "keyctl": (number(250, 219), 0, -3, 0, 0, 0),
    "mount": (number(165, 40), Q, P, Q, 0, 0),
    "unshare": (number(272, 97), 0x10000000),
    "setns": (number(308, 268), 0, 0),
    "chroot": (number(161, 51), P),
    "prctl": (number(157, 167), 4, 1, 0, 0, 0),
    "prlimit64": (number(302, 261), 0, resource.RLIMIT_CORE, 0, here),
    "setuid": (number(105, 146), 0),
    "pipe2": (number(293, 59), here, 0),
    "dup": (number(32, 23), 0),
    "read": (number(0, 63), 0, here, 1),
    "getppid": (number(110, 173),),
    "mmap writable and executable": (number(9, 222), 0, 4096, RWX, PRIVATE, -1, 0),
    "mprotect executable": (number(10, 226), page_at, 4096, 5),
    "seccomp": (number(317, 277), 2, 0, here),
    "restrict the filter no further": (number(157, 167), 22, 0, 0, 0, 0),
}

def probe(name):
    call = PROBES[name]
    words = [ctypes.c_long(word) for word in call]
    zygote = os.getppid()
    if mode != "bare":
        if mode == "unprivileged":
            os.setgroups([]); os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)
        lockdown.confine_zygote(zygote)
        lockdown.confine_worker(zygote, file_bytes=0, open_files=32)
        lockdown.fence(data_bytes=1 << 30, cpu_seconds=5)
        lockdown.lock(Profile.RUN)
    result = libc.syscall(*words)
    os._exit(1 if result == -1 else 0)

answers = {}
for name in PROBES:
    pid = os.fork()
    if pid == 0:
        try:
            probe(name)
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(99)
    _, status = os.waitpid(pid, 0)
    ended = {0: "succeeded", 1: "refused"}
    answers[name] = "killed" if os.WIFSIGNALED(status) else ended.get(os.WEXITSTATUS(status), "broken")
os.kill(victim, signal.SIGKILL)
os.waitpid(victim, 0)
print(json.dumps(answers))
"""


def probe(mode: str) -> dict[str, str]:
    roots = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode, json.dumps(roots)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    assert "broken" not in answers.values(), (answers, done.stderr)
    return answers


def test_the_probes_are_no_duds() -> None:
    answers = probe("bare")
    assert sum(answer == "succeeded" for answer in answers.values()) >= 15, answers


def test_nothing_gets_out() -> None:
    answers = probe("as started")
    assert len(answers) >= 30
    assert [name for name, answer in answers.items() if answer == "succeeded"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the test before this one ran as one")
def test_nothing_gets_out_of_an_unprivileged_user() -> None:
    answers = probe("unprivileged")
    assert [name for name, answer in answers.items() if answer == "succeeded"] == []

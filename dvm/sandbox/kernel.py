"""The few system calls that Python does not offer, and the numbers of all that the sandbox names.

Raw by intention: every function raises OSError with the kernel's errno, decides nothing and remembers nothing.
Sources: prctl(2), unshare(2), capabilities(7), the syscall tables of Linux (x86-64 and asm-generic for aarch64).
"""

from __future__ import annotations

import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_GET_NO_NEW_PRIVS = 39
PR_SET_NO_NEW_PRIVS = 38
PR_SET_MDWE = 65
PR_GET_MDWE = 66
MDWE_REFUSE_EXEC_GAIN = 1

CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What seccomp reports as the architecture of a call (linux/audit.h)."""

_X86_64 = {
    "read": 0, "write": 1, "close": 3, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13,
    "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16, "sched_yield": 24, "mremap": 25, "madvise": 28,
    "getpid": 39, "socket": 41, "exit": 60, "uname": 63, "fcntl": 72, "capget": 125, "capset": 126,
    "sigaltstack": 131, "prctl": 157, "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219,
    "clock_gettime": 228, "exit_group": 231, "epoll_wait": 232, "tgkill": 234, "openat": 257, "unshare": 272,
    "set_robust_list": 273, "epoll_pwait": 281, "seccomp": 317, "getrandom": 318, "membarrier": 324, "rseq": 334,
    "clone3": 435, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
}  # fmt: skip
_AARCH64 = {
    "read": 63, "write": 64, "close": 57, "mmap": 222, "mprotect": 226, "munmap": 215, "brk": 214,
    "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "ioctl": 29, "sched_yield": 124, "mremap": 216,
    "madvise": 233, "getpid": 172, "socket": 198, "exit": 93, "uname": 160, "fcntl": 25, "capget": 90, "capset": 91,
    "sigaltstack": 132, "prctl": 167, "gettid": 178, "futex": 98, "sched_getaffinity": 123, "restart_syscall": 128,
    "clock_gettime": 113, "exit_group": 94, "tgkill": 131, "set_robust_list": 99, "rseq": 293, "openat": 56,
    "unshare": 97, "epoll_pwait": 22, "seccomp": 277, "getrandom": 278, "membarrier": 283, "clone3": 435,
    "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
}  # fmt: skip

SYSCALLS = {"x86_64": _X86_64, "aarch64": _AARCH64}
"""Call numbers by machine. A name that a machine lacks (epoll_wait on aarch64) does not exist there at all."""

MACHINE = platform.machine()


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


_CapData = ctypes.c_uint32 * 6  # two words each of effective, permitted, inheritable
_CAPABILITY_VERSION_3 = 0x20080522


def syscall(name: str, *args: int | ctypes.c_void_p | ctypes.Array[ctypes.c_char]) -> int:
    """Make the call and return its result; raises OSError. Integers are passed as machine words."""
    words = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result: int = _libc.syscall(ctypes.c_long(SYSCALLS[MACHINE][name]), *words)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result


def prctl(option: int, value: int = 0) -> int:
    """prctl(2) with one argument."""
    return syscall("prctl", option, value, 0, 0, 0)


def unshare(flags: int) -> None:
    """Leave the named namespaces for new, empty ones. A new user namespace needs a process without threads."""
    syscall("unshare", flags)


def drop_capabilities() -> None:
    """Give up every capability, in whatever user namespace they hold."""
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), _CapData()
    syscall("capset", ctypes.c_void_p(ctypes.addressof(header)), ctypes.c_void_p(ctypes.addressof(data)))


def has_capabilities() -> bool:
    """Whether any capability is left, effective or not."""
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), _CapData()
    syscall("capget", ctypes.c_void_p(ctypes.addressof(header)), ctypes.c_void_p(ctypes.addressof(data)))
    return any(data)

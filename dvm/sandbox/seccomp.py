"""The system call filter of the processes that meet strangers' bytes. Default: the process is killed.

`program()` is a pure function from machine, profile and process id to BPF bytecode, so that it can be read, counted
and tested without installing it. `install()` puts it in force for all threads of this process, for ever.
Sources: seccomp(2), linux/filter.h, linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import struct
from enum import Enum
from errno import EACCES, EBADFD, ENOSYS, ENOTTY, EPERM
from functools import cache

from dvm.sandbox import kernel


class Profile(Enum):
    """What the confined process is for."""

    RUN = "run"
    """A guest: its machine code is mapped before the filter, so no executable mapping is ever made again."""
    COMPILE = "compile"
    """A compilation: publishes code, so a mapping may become executable, but never writable as well."""


ALLOWED = (
    "futex", "write", "mmap", "munmap", "mprotect", "mremap", "brk", "madvise", "close", "getrandom", "clock_gettime",
    "sched_yield", "gettid", "getpid", "rt_sigprocmask", "rt_sigaction", "rt_sigreturn", "sigaltstack",
    "restart_syscall", "exit_group",
    "rseq", "set_robust_list",  # the engine's one thread may still be starting when the filter comes into force
)  # fmt: skip
"""Allowed everywhere. mmap and mprotect are further restricted by their protection, see `program`."""

_WAIT = {"x86_64": "epoll_wait", "aarch64": "epoll_pwait"}
"""How the one idle thread of the engine's WASI library waits."""

REFUSED = {
    "ioctl": ENOTTY,  # the engine asks whether a stream is a terminal
    "clone3": ENOSYS,  # the C library probes for it and would fall back to clone, which kills
    "socket": EACCES,  # a guest that asks WASI for a socket shall hear "access denied"
    "openat": EACCES,  # the allocator reads the number of CPUs when it can
    "sched_getaffinity": EPERM,
    "prctl": EPERM,  # naming of memory areas and threads
    "fcntl": EPERM,
    "uname": EBADFD,  # an answer that no kernel gives: by it `lockdown` knows the filter is in force
}
"""Answered with an errno instead of death."""

MARK = ("uname", EBADFD)

_LD_WORD, _JEQ, _JGE, _AND, _RET = 0x20, 0x15, 0x35, 0x54, 0x06
_NR, _ARCH, _ARG0, _ARG2 = 0, 4, 16, 32  # offsets in struct seccomp_data; little endian, low words of arguments
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_PROT_WRITE, _PROT_EXEC = 2, 4
_X32_BIT = 0x40000000

PKEY_MPROTECT = {"x86_64": 329, "aarch64": 288}
"""Another way to a protection; named to be refused only."""

EXECUTABLE_REFUSED = EACCES
"""What `no_executable` answers: not the errno of `program`, so that the one can be told from the other."""


def _op(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, then, otherwise, value)


def _when(number: int, *body: bytes) -> list[bytes]:
    """`body` runs, and must return, when the loaded call number is `number`; else it is jumped over."""
    return [_op(_JEQ, number, 0, len(body)), *body]


def allowed(machine: str, profile: Profile) -> tuple[str, ...]:
    """The names of the calls that may reach the kernel; tgkill only towards the process itself."""
    extra = ("membarrier",) if machine == "aarch64" and profile is Profile.COMPILE else ()
    return (*ALLOWED, _WAIT[machine], "tgkill", *extra)


def program(machine: str, profile: Profile, pid: int) -> bytes:
    """The filter as an array of `struct sock_filter`."""
    before, after = _around_own_signals(machine, profile)
    # A process may signal itself (that is how abort works) and nobody else.
    own = [_op(_LD_WORD, _ARG0), _op(_JEQ, pid, 0, 1), _op(_RET, _ALLOW), _op(_RET, _KILL_PROCESS)]
    return b"".join([before, *_when(kernel.SYSCALLS[machine]["tgkill"], *own), after])


@cache
def _around_own_signals(machine: str, profile: Profile) -> tuple[bytes, bytes]:
    """The part of the filter that is the same for every process; worth making before the fork."""
    numbers = kernel.SYSCALLS[machine]
    forbidden = _PROT_EXEC if profile is Profile.RUN else _PROT_WRITE | _PROT_EXEC
    code = [_op(_LD_WORD, _ARCH), _op(_JEQ, kernel.AUDIT_ARCH[machine], 1, 0), _op(_RET, _KILL_PROCESS)]
    code += [_op(_LD_WORD, _NR), _op(_JGE, _X32_BIT, 0, 1), _op(_RET, _KILL_PROCESS)]
    for name in ("mmap", "mprotect"):
        code += _when(
            numbers[name],
            _op(_LD_WORD, _ARG2),
            _op(_AND, forbidden),
            _op(_JEQ, forbidden, 0, 1),
            _op(_RET, _ERRNO | EPERM),
            _op(_RET, _ALLOW),
        )
    before, code = b"".join(code), []
    for name in allowed(machine, profile):
        if name not in ("mmap", "mprotect", "tgkill"):
            code += _when(numbers[name], _op(_RET, _ALLOW))
    for name, errno in REFUSED.items():
        code += _when(numbers[name], _op(_RET, _ERRNO | errno))
    return before, b"".join([*code, _op(_RET, _KILL_PROCESS)])


def no_executable(machine: str) -> bytes:
    """A filter of its own that refuses every executable mapping, and nothing else, from now on.

    For processes that interpret: it can stand before the engine loads what it compiled, and before it compiles. Put
    before the filter of `program`, of which it takes nothing away.
    """
    numbers = kernel.SYSCALLS[machine]
    code = [_op(_LD_WORD, _ARCH), _op(_JEQ, kernel.AUDIT_ARCH[machine], 1, 0), _op(_RET, _KILL_PROCESS)]
    code += [_op(_LD_WORD, _NR), _op(_JGE, _X32_BIT, 0, 1), _op(_RET, _KILL_PROCESS)]
    for number in (numbers["mmap"], numbers["mprotect"], PKEY_MPROTECT[machine]):
        code += _when(
            number,
            _op(_LD_WORD, _ARG2),
            _op(_AND, _PROT_EXEC),
            _op(_JEQ, _PROT_EXEC, 0, 1),
            _op(_RET, _ERRNO | EXECUTABLE_REFUSED),
            _op(_RET, _ALLOW),
        )
    return b"".join([*code, _op(_RET, _ALLOW)])


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1


def install(bytecode: bytes) -> None:
    """Put the filter in force for every thread of this process. Raises OSError; needs no_new_privs."""
    buffer = ctypes.create_string_buffer(bytecode, len(bytecode))
    prog = _SockFprog(len(bytecode) // 8, ctypes.cast(buffer, ctypes.c_char_p))
    pointer = ctypes.c_void_p(ctypes.addressof(prog))
    if kernel.syscall("seccomp", _SET_MODE_FILTER, _FLAG_TSYNC, pointer) != 0:
        raise OSError("seccomp: a thread could not take the filter over")

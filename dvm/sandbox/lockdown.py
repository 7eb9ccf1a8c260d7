"""Giving up power, step by step, and looking afterwards whether it is gone. Nothing here is best effort.

Three moments: `confine_zygote` once, after all imports; `confine_worker` in every forked child; `lock` when the child
has opened what its one task needs. Each returns only when what it promises was read back from the kernel; otherwise it
raises `LockdownError` and the process must not run anything.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
from errno import EINVAL, ENOSPC, ENOSYS, EPERM

from dvm.sandbox import kernel, landlock, seccomp
from dvm.sandbox.seccomp import Profile

NOBODY = 65534
"""The user and group a zygote becomes that was started by root."""

REQUIRED = ("rlimits", "no_new_privs", "no_capabilities", "seccomp")
"""Layers without which nothing runs. The others depend on the kernel, the service manager and the user."""


class LockdownError(Exception):
    """A fence that must stand does not stand."""


def _leave_namespaces(as_root: bool) -> bool:
    """New, empty network, IPC and host name spaces. Root needs no user namespace for that, others do."""
    flags = kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    for attempt in ((flags,) if as_root else ()) + (flags | kernel.CLONE_NEWUSER,):
        try:
            kernel.unshare(attempt)
        except OSError as error:
            if error.errno not in (EPERM, EINVAL, ENOSPC, ENOSYS):
                raise
        else:
            return True
    return False


def _become_nobody() -> bool:
    """Drop root's user and groups; False for a root that may not even do that (a container without capabilities)."""
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except PermissionError:
        return False
    return True


def _die_with(parent: int) -> None:
    """Be killed when the parent goes. Changing credentials forgets this, so it comes after that."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise LockdownError("the parent process is gone already")


def _hide() -> None:
    """No core dump, and no look into this process by its equals."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if kernel.prctl(kernel.PR_GET_DUMPABLE) != 0:
        raise LockdownError("dumpable could not be switched off")


def confine_zygote(parent: int, *, executable: bool = True) -> dict[str, bool]:
    """Give up what no worker ever needs, once for all of them; returns which layers this machine gave.

    Afterwards no file can be opened by path where Landlock is, so everything must have been imported. Without
    `executable`, neither this process nor any worker can ever make a mapping executable again.
    """
    as_root = os.geteuid() == 0
    layers = {"namespaces": _leave_namespaces(as_root), "own_user": _become_nobody() if as_root else True}
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) != 1:
        raise LockdownError("no_new_privs did not take")
    kernel.drop_capabilities()
    if kernel.has_capabilities():
        raise LockdownError("capabilities are left")
    layers |= {"no_new_privs": True, "no_capabilities": True, "landlock": landlock.deny_all()}
    _hide()
    _set_limits({resource.RLIMIT_CORE: 0, resource.RLIMIT_MEMLOCK: 0, resource.RLIMIT_MSGQUEUE: 0})
    if not executable:
        layers |= {"no_executable": True, "mdwe": _refuse_gained_execution()}
        _refuse_executable_mappings()
    _die_with(parent)
    for profile in Profile:
        seccomp.program(kernel.MACHINE, profile, 0)  # made once, before the forks
    return layers


def _refuse_gained_execution() -> bool:
    """Memory-deny-write-execute of the kernel, where it has that (Linux 6.3)."""
    try:
        kernel.prctl(kernel.PR_SET_MDWE, kernel.MDWE_REFUSE_EXEC_GAIN)
        return kernel.prctl(kernel.PR_GET_MDWE) == kernel.MDWE_REFUSE_EXEC_GAIN
    except OSError as error:
        if error.errno != EINVAL:
            raise
        return False


def _refuse_executable_mappings() -> None:
    seccomp.install(seccomp.no_executable(kernel.MACHINE))
    try:
        mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError as error:
        if error.errno == seccomp.EXECUTABLE_REFUSED:
            return
    raise LockdownError("an executable mapping could still be made")


def _set_limits(limits: dict[int, int]) -> None:
    for which, value in limits.items():
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))
        if resource.getrlimit(which) != (value, value):
            raise LockdownError(f"resource limit {which} did not take")


def confine_worker(parent: int, *, file_bytes: int, open_files: int) -> None:
    """The part of a worker's confinement that does not depend on its task."""
    _die_with(parent)
    _hide()
    _set_limits({resource.RLIMIT_FSIZE: file_bytes, resource.RLIMIT_NOFILE: open_files})


def data_in_use() -> int:
    """Bytes of private writable memory of this process, as RLIMIT_DATA counts them (proc(5), statm).

    For the zygote, before it confines itself: a worker is forked with as much, and cannot open the file any more.
    """
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[5]) * resource.getpagesize()


def fence(*, data_bytes: int, cpu_seconds: int) -> None:
    """The part that does: private memory in all, processor time, and no further thread or process."""
    _set_limits({resource.RLIMIT_DATA: data_bytes, resource.RLIMIT_NPROC: 0})
    # The soft limit sends SIGXCPU, which tells why; the hard one just kills.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    if resource.getrlimit(resource.RLIMIT_CPU) != (cpu_seconds, cpu_seconds + 1):
        raise LockdownError("the limit of processor time did not take")


def lock(profile: Profile) -> None:
    """Install the system call filter and make sure that it answers. There is no way back from here."""
    seccomp.install(seccomp.program(kernel.MACHINE, profile, os.getpid()))
    name, expected = seccomp.MARK
    try:
        kernel.syscall(name, 0)
    except OSError as error:
        if error.errno == expected:
            return
    raise LockdownError("the system call filter is not in force")

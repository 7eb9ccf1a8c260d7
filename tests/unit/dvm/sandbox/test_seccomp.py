"""The filter, run by an interpreter of its bytecode: what passes, what is answered, what kills, on both machines."""

from __future__ import annotations

import errno
import struct

import pytest

from dvm.sandbox import kernel, seccomp
from dvm.sandbox.seccomp import Profile

PID = 4711
ALLOW, KILL = 0x7FFF0000, 0x80000000
MACHINES = ("x86_64", "aarch64")


def verdict(code: bytes, number: int, args: tuple[int, ...] = (), arch: int | None = None) -> int:
    """What the filter returns for one call (the instructions that `seccomp` uses, and no other)."""
    assert arch is not None
    data = struct.pack("<IIQ6Q", number, arch, 0, *(args + (0,) * 6)[:6])
    at = accumulator = 0
    while True:
        op, then, otherwise, value = struct.unpack_from("<HBBI", code, 8 * at)
        at += 1
        match op:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x15:
                at += then if accumulator == value else otherwise
            case 0x35:
                at += then if accumulator >= value else otherwise
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"instruction {op:#x}")


def ask(machine: str, profile: Profile, name: str, *args: int) -> int:
    code = seccomp.program(machine, profile, PID)
    return verdict(code, kernel.SYSCALLS[machine][name], args, kernel.AUDIT_ARCH[machine])


def refusal(code: int) -> int:
    return 0x00050000 | code


@pytest.mark.parametrize("machine", MACHINES)
def test_run_profile_lets_at_most_24_calls_through(machine: str) -> None:
    names = seccomp.allowed(machine, Profile.RUN)
    assert len(set(names)) == len(names) <= 24
    code = seccomp.program(machine, Profile.RUN, PID)
    arch = kernel.AUDIT_ARCH[machine]
    passing = {n for n in range(1024) if verdict(code, n, (PID,), arch) == ALLOW}
    assert passing == {kernel.SYSCALLS[machine][name] for name in names}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("profile", Profile)
def test_everything_unknown_kills(machine: str, profile: Profile) -> None:
    code = seccomp.program(machine, profile, PID)
    arch = kernel.AUDIT_ARCH[machine]
    known = {kernel.SYSCALLS[machine][n] for n in (*seccomp.allowed(machine, profile), *seccomp.REFUSED)}
    for number in set(range(1024)) - known:
        assert verdict(code, number, (), arch) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_refusals_are_answered_with_their_errno(machine: str) -> None:
    for name, code in seccomp.REFUSED.items():
        assert ask(machine, Profile.RUN, name) == refusal(code)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["mmap", "mprotect"])
def test_protection(machine: str, call: str) -> None:
    read, write, execute = 1, 2, 4
    for profile in Profile:
        assert ask(machine, profile, call, 0, 0, read | write) == ALLOW
        assert ask(machine, profile, call, 0, 0, 0) == ALLOW
        assert ask(machine, profile, call, 0, 0, write | execute) == refusal(errno.EPERM)
        assert ask(machine, profile, call, 0, 0, read | write | execute) == refusal(errno.EPERM)
    assert ask(machine, Profile.COMPILE, call, 0, 0, read | execute) == ALLOW
    assert ask(machine, Profile.RUN, call, 0, 0, read | execute) == refusal(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_process_signals_nobody_but_itself(machine: str) -> None:
    assert ask(machine, Profile.RUN, "tgkill", PID, PID, 6) == ALLOW
    assert ask(machine, Profile.RUN, "tgkill", PID + 1, PID + 1, 9) == KILL
    assert ask(machine, Profile.RUN, "tgkill", 1, 1, 9) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_other_calling_conventions_kill(machine: str) -> None:
    code = seccomp.program(machine, Profile.RUN, PID)
    write = kernel.SYSCALLS[machine]["write"]
    i386, arm = 0x40000003, 0x40000028
    assert verdict(code, write, (), i386) == KILL
    assert verdict(code, write, (), arm) == KILL
    assert verdict(code, 0x40000000 | write, (), kernel.AUDIT_ARCH[machine]) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_fits_and_ends(machine: str) -> None:
    for profile in Profile:
        code = seccomp.program(machine, profile, PID)
        assert len(code) % 8 == 0
        assert len(code) // 8 <= 4096
        assert struct.unpack_from("<HBBI", code, len(code) - 8) == (0x06, 0, 0, KILL)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_executable_refuses_that_and_nothing_else(machine: str) -> None:
    code, arch = seccomp.no_executable(machine), kernel.AUDIT_ARCH[machine]
    numbers = {kernel.SYSCALLS[machine]["mmap"], kernel.SYSCALLS[machine]["mprotect"], seccomp.PKEY_MPROTECT[machine]}
    for number in range(1024):
        for protection in range(8):
            refused = number in numbers and protection & 4
            expected = refusal(errno.EACCES) if refused else ALLOW
            assert verdict(code, number, (0, 4096, protection), arch) == expected
    assert verdict(code, 9, (), 0x40000003) == KILL
    assert verdict(code, 0x40000009, (), arch) == KILL

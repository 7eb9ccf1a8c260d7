"""Landlock: no file can be opened by path, no TCP port reached, no process outside signalled.

A ruleset that handles every right this kernel knows and grants none. What was open stays open; pipes and memfds, which
have no place in any file system, can still be reached through /proc/self/fd. Source: landlock(7).
"""

from __future__ import annotations

import ctypes
import os
import struct
from errno import ENOSYS, EOPNOTSUPP, EPERM

from dvm.sandbox import kernel

_CREATE_RULESET_VERSION = 1
_FILE_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of low bits; from 5 on it stayed 16
_NET_RIGHTS = 0b11  # bind and connect TCP, from ABI 4
_SCOPES = 0b11  # abstract unix sockets and signals, from ABI 6


def abi() -> int:
    """The Landlock version of this kernel; 0 when it has none, or a filter hides it."""
    try:
        return kernel.syscall("landlock_create_ruleset", 0, 0, _CREATE_RULESET_VERSION)
    except OSError as error:
        if error.errno in (ENOSYS, EOPNOTSUPP, EPERM):
            return 0
        raise


def ruleset(version: int) -> bytes:
    """`struct landlock_ruleset_attr` with every right that `version` can handle."""
    files = (1 << _FILE_RIGHTS_BY_ABI.get(version, 16)) - 1
    attr = struct.pack("<Q", files)
    if version >= 4:
        attr += struct.pack("<Q", _NET_RIGHTS)
    if version >= 6:
        attr += struct.pack("<Q", _SCOPES)
    return attr


def deny_all() -> bool:
    """Put it in force for this thread and its descendants; False when the kernel has no Landlock.

    Raises OSError when the kernel has it and refuses: that is never normal.
    """
    version = abi()
    if version < 1:
        return False
    attr = ruleset(version)
    buffer = ctypes.create_string_buffer(attr, len(attr))
    descriptor = kernel.syscall("landlock_create_ruleset", buffer, len(attr), 0)
    try:
        kernel.syscall("landlock_restrict_self", descriptor, 0)
    finally:
        os.close(descriptor)
    return True

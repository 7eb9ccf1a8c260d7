"""Looking at what the machine gives, beside what the zygote reports of itself: Landlock's version, control groups.

Asked by the daemon about itself, which is true of its workers too: they inherit both. Source: cgroups(7).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dvm.sandbox import landlock, lockdown
from dvm.sandbox.tier import Host

_MOUNT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_NO_LIMIT_V1 = 1 << 62
"""The first version of control groups writes "none" as the largest number of pages, in bytes."""


def look(layers: Mapping[str, bool]) -> Host:
    """What is in force, given the layers that the sandbox reports."""
    return Host(
        required=all(layers.get(name, False) for name in lockdown.REQUIRED),
        namespaces=layers.get("namespaces", False),
        own_user=layers.get("own_user", False),
        memory_group=memory_is_bounded(),
        landlock_abi=landlock.abi() if layers.get("landlock", False) else 0,
    )


def memory_is_bounded(own: Path = _OWN, mount: Path = _MOUNT) -> bool:
    """Whether this process's control group, or one above it, has a limit of memory; False where that cannot be seen."""
    try:
        lines = own.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(_has_limit(file) for line in lines for file in _limit_files(line, mount))


def _limit_files(line: str, mount: Path) -> Iterator[Path]:
    """Where limits for the group in this line of /proc/self/cgroup would stand, up to what is mounted."""
    number, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    if not path.startswith("/"):
        return
    if number == "0" and not controllers:
        top, name = mount, "memory.max"
    elif "memory" in controllers.split(","):
        top, name = mount / "memory", "memory.limit_in_bytes"
    else:
        return
    parts = [part for part in path.split("/") if part]
    if ".." in parts:  # outside of what this namespace can see: the mounted top is what is left
        parts = []
    for depth in range(len(parts), -1, -1):
        yield top.joinpath(*parts[:depth], name)


def _has_limit(file: Path) -> bool:
    try:
        text = file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return False
    return text.isdecimal() and int(text) < _NO_LIMIT_V1

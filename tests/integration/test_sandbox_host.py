"""What the daemon reads of its control group: both versions of the kernel's interface, limits above it, none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from dvm.sandbox import host, lockdown


def bounded(tmp_path: Path, own: str, files: dict[str, str]) -> bool:
    mount = tmp_path / "mount"
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text)
    (tmp_path / "own").write_text(own)
    return host.memory_is_bounded(tmp_path / "own", mount)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "1000000\n"}, True),
        ("0::/a/b\n", {"a/b/memory.max": "max\n"}, False),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "5000\n"}, True),
        ("0::/a/b\n", {"a/c/memory.max": "5000\n"}, False),
        ("0::/\n", {"memory.max": "5000\n"}, True),  # the top of a namespace of control groups
        ("0::/../b\n", {"memory.max": "5000\n"}, True),
        ("0::/../b\n", {"b/memory.max": "5000\n"}, False),
        ("0::/a\n", {}, False),  # the controller is switched off
        ("4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "104857600\n"}, True),
        ("4:cpu,memory:/a\n0::/\n", {"memory/memory.limit_in_bytes": "104857600\n"}, True),
        ("4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, False),
        ("3:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "104857600\n"}, False),
        ("", {"memory.max": "5000\n"}, False),
        ("nonsense\n::\n0:\n", {"memory.max": "5000\n"}, False),
    ],
)
def test_limits(tmp_path: Path, own: str, files: dict[str, str], expected: bool) -> None:
    assert bounded(tmp_path, own, files) is expected


def test_where_nothing_can_be_read(tmp_path: Path) -> None:
    assert host.memory_is_bounded(tmp_path / "none", tmp_path) is False


def test_a_layer_that_is_not_reported_is_not_there() -> None:
    found = host.look({})
    assert (found.required, found.namespaces, found.own_user) == (False, False, False)
    assert found.landlock_abi == 0
    assert host.look(dict.fromkeys(lockdown.REQUIRED, True)).required
    for name in lockdown.REQUIRED:
        assert not host.look(dict.fromkeys(lockdown.REQUIRED, True) | {name: False}).required

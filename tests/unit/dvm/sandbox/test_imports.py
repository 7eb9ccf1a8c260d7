"""Which names pass, which do not."""

from __future__ import annotations

import pytest

from dvm.sandbox import imports


def test_commands_of_every_patch_release_pass() -> None:
    names = [
        f"wasi:{name}@0.2.{patch}" for patch in (0, 12, imports.LAST_PATCH) for name in ("cli/stdin", "io/streams")
    ]
    assert imports.refused(names) is None
    assert imports.refused([]) is None


@pytest.mark.parametrize(
    "name",
    [
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:http/types@0.2.0",
        "wasi:cli/stdin",
        "wasi:cli/stdin@0.3.0",
        "wasi:cli/stdin@0.2.0-rc-2023-11-10",
        "wasi:cli/stdin@0.2.00",
        f"wasi:cli/stdin@0.2.{imports.LAST_PATCH + 1}",
        "wasi:cli/stdin@0.2.0\n",
        "wasi:keyvalue/store@0.2.0",
        "acme:mystery/door@1.0.0",
        "plain",
        "",
    ],
)
def test_everything_else_is_named(name: str) -> None:
    assert imports.refused(["wasi:cli/stdout@0.2.0", name]) == name


def test_run_export() -> None:
    assert imports.run_export(["other", "wasi:cli/run@0.2.3"]) == "wasi:cli/run@0.2.3"
    assert imports.run_export(["wasi:cli/run@0.3.0", "run", "wasi:cli/run"]) is None

"""The locks pin everything by hash, agree with each other, and name no place to download from."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-build.lock",
    "tests/support/nostr-relay.lock",
)


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str
    hashes: int


def parse(text: str) -> list[Pin]:
    """Every requirement of a lock. Raises ValueError for a line that is not `name==version` with hashes."""
    pins = []
    code = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    for block in re.split(r"\n(?=\S)", code):
        head = re.match(r"([a-z0-9][a-z0-9-]*)==([0-9][0-9a-z.]*)( ; [^\\]+)? \\$", block, re.MULTILINE)
        hashes = re.findall(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$", block, re.MULTILINE)
        if head is None or len(hashes) != len(block.splitlines()) - 1 or not hashes:
            raise ValueError(block)
        pins.append(Pin(head[1], head[2], len(hashes)))
    return pins


def versions(name: str) -> dict[str, str]:
    return {pin.name: pin.version for pin in parse((ROOT / name).read_text())}


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    pins = parse((ROOT / name).read_text())
    assert len(pins) > 3
    assert len({pin.name for pin in pins}) == len(pins)


@pytest.mark.parametrize(
    "line",
    [
        "x==1.0",
        "x>=1.0 \\\n    --hash=sha256:" + "0" * 64,
        "x==1.0 \\\n    --hash=md5:00",
        "--find-links /tmp",
        "x @ file:///tmp/x.whl \\\n    --hash=sha256:" + "0" * 64,
    ],
)
def test_a_line_that_is_not_pinned_is_seen(line: str) -> None:
    good = "y==1.0 \\\n    --hash=sha256:" + "1" * 64
    assert parse(good) == [Pin("y", "1.0", 1)]
    with pytest.raises(ValueError, match=re.escape(line.partition("\n")[0])):
        parse(f"{good}\n{line}\n")


def test_what_is_tested_is_what_is_installed() -> None:
    runtime, dev = versions("requirements.lock"), versions("requirements-dev.lock")
    assert runtime.items() <= dev.items()
    # The build lock is installed into the same environment.
    build = versions("requirements-build.lock")
    assert {name: dev[name] for name in build.keys() & dev.keys()} == {name: build[name] for name in build.keys() & dev}


def test_the_locks_cover_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, dev = versions("requirements.lock"), versions("requirements-dev.lock")
    extras = project["optional-dependencies"]
    for requirement in (*project["dependencies"], *extras["demo"]):
        assert_satisfied(requirement, runtime)
    for requirement in extras["dev"]:
        assert_satisfied(requirement, dev)


def assert_satisfied(requirement: str, locked: dict[str, str]) -> None:
    """A name with `==` is locked at that version; other bounds were the resolver's business."""
    match = re.match(r"([A-Za-z0-9-]+)(?:==([^;,\s]+))?", requirement)
    assert match is not None
    assert match[1].lower() in locked
    assert match[2] in (None, locked[match[1].lower()])


def test_the_node_packages_are_pinned_with_hashes() -> None:
    folder = ROOT / "tests" / "support" / "node"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    lock = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert lock.pop("")["dependencies"] == wanted
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    for name, package in lock.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name

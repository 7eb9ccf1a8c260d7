"""docs/SPEC.md as a value: its sections, and the events of its worked example."""

from __future__ import annotations

import json
import re
from pathlib import Path

from relayclient.event import Event

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "docs" / "SPEC.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The text under a heading, up to the next one of the same depth."""
    found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", SPEC, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[2]


BLOCKS = re.findall(r"^```(?:json)?\n(.*?)\n```$", section("7. Worked example"), re.DOTALL | re.MULTILINE)
"""Request; seed, dice and input; text and digest of the input; result."""


def example_request() -> Event:
    return Event.from_wire(json.loads(BLOCKS[0]))


def example_result() -> Event:
    wire = json.loads(BLOCKS[3])
    assert wire["tags"][0] == ["request", "<the request above as compact JSON>"]
    wire["tags"][0][1] = example_request().to_json()
    return Event.from_wire(wire)

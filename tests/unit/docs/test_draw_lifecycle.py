"""The drawing of the life cycle is drawn from the table, and the committed one is the present one."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from docs import draw_lifecycle
from jobs import lifecycle
from jobs.facts import WorkLingers
from jobs.model import JobState


def test_the_committed_drawing_is_not_stale() -> None:
    assert draw_lifecycle.main(["--check"]) == 0


def test_a_stale_drawing_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_lifecycle, "DRAWING", tmp_path / "lifecycle.svg")
    assert draw_lifecycle.main(["--check"]) == 1
    assert draw_lifecycle.main([]) == 0
    assert draw_lifecycle.main(["--check"]) == 0
    monkeypatch.delitem(lifecycle.TABLE, (JobState.QUEUED, WorkLingers))
    assert draw_lifecycle.main(["--check"]) == 1


def test_every_state_and_every_rule_is_in_it() -> None:
    root = ElementTree.fromstring(draw_lifecycle.draw())
    words = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {state.value for state in JobState} <= set(words)
    moves = draw_lifecycle.arrows()
    for (source, kind), _rule in lifecycle.TABLE.items():
        labels = [label for (start, _), found in moves.items() if start is source for label in found]
        assert any(label.fact.split(" (")[0] == kind.__name__ for label in labels)
    for label in (label for found in moves.values() for label in found):
        assert any(label.fact.split(" (")[0] in line for line in words)
        assert any(label.orders in line for line in words)

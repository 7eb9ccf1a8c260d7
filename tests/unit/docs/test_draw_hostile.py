"""The table of the hostile corpus is made from the corpus, and the committed one is the present one."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import draw_hostile
from tests.hostile import corpus
from tests.hostile.corpus import ROWS


def test_the_committed_table_is_not_stale() -> None:
    assert draw_hostile.main(["--check"]) == 0


def test_a_stale_table_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw_hostile, "TABLE", tmp_path / "hostile.md")
    assert draw_hostile.main(["--check"]) == 1
    assert draw_hostile.main([]) == 0
    assert draw_hostile.main(["--check"]) == 0
    monkeypatch.delitem(corpus.GROUPS, "Memory")
    assert draw_hostile.main(["--check"]) == 1


def test_every_row_is_in_it() -> None:
    page = draw_hostile.draw()
    for row in ROWS:
        assert f"| {row.name} |" in page or f"| {row.name.rpartition('-')[0]}, " in page

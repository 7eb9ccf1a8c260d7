"""Writes docs/hostile.md, the table of the hostile corpus, from the rows that the tests run.

    PYTHONPATH=. .venv/bin/python docs/draw_hostile.py [--check]

With --check nothing is written; the status is 1 if the table is stale.
"""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path

from tests.hostile.corpus import GROUPS
from tests.hostile.row import ANY_BUT_OUR_FAULT, Row

TABLE = Path(__file__).parent / "hostile.md"

HEAD = """# The hostile corpus

{count} programs that want to hurt a node, each with the end it must come to. `make hostile` puts the {quick} quick ones
through the real sandbox, one after the other on one node, and `make torture` the {slow} slow ones too. After each of
them the tests check that

- the outcome is the one named here, and never `sandbox-failure`;
- fuel, memory, time, output and log stayed within the grant;
- the sentence about it is short and holds no character that could steer a terminal;
- neither the node nor the zygote grew, and no process is left over;
- the next job on the same sandbox is served, with the fuel it always takes.

Numbered programs stand in one line. Where several ends are named, the bytes were changed blindly, or the machine's
speed decides. Generated from `tests/hostile` by docs/draw_hostile.py.
"""


def _stem(row: Row) -> str:
    return re.sub(r"-\d+$", "", row.name) if re.fullmatch(r"(cut|flip|noise|storm)-\d+", row.name) else row.name


def _end(row: Row) -> str:
    if row.ends == ANY_BUT_OUR_FAULT:
        return "any but `sandbox-failure`"
    return " or ".join(sorted(f"`{outcome.value}`" for outcome in row.ends))


def _limits(row: Row) -> str:
    units = {"fuel": "fuel", "wall_ms": "ms", "memory_bytes": "bytes of memory"}
    parts = [f"{value:,} {units[name]}" for name, value in row.limits.items() if value < 1 << 60]
    return ", ".join([*parts, "slow"] if row.slow else parts)


def _lines(rows: tuple[Row, ...]) -> list[str]:
    lines = ["| program | what it does | must end in | limits |", "|---|---|---|---|"]
    for (stem, _), group in groupby(rows, key=lambda row: (_stem(row), row.slow)):
        members = list(group)
        first = members[0]
        name = first.name if len(members) == 1 else f"{stem}, {len(members)} of them"
        what = re.sub(r"\b\d bits? changed", "one to four bits changed", first.what) if len(members) > 1 else first.what
        lines.append(f"| {name} | {what} | {_end(first)} | {_limits(first)} |")
    return lines


def draw() -> str:
    """The page."""
    rows = [row for group in GROUPS.values() for row in group]
    slow = sum(row.slow for row in rows)
    page = [HEAD.format(count=len(rows), quick=len(rows) - slow, slow=slow)]
    for title, group in GROUPS.items():
        page += [f"## {title}", "", *_lines(group), ""]
    return "\n".join(page)


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is stale."""
    if arguments == ["--check"]:
        stale = not TABLE.exists() or TABLE.read_text(encoding="utf-8") != draw()
        if stale:
            print("docs/hostile.md is stale: run PYTHONPATH=. .venv/bin/python docs/draw_hostile.py", file=sys.stderr)
        return int(stale)
    TABLE.write_text(draw(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Draws docs/lifecycle.svg from the table in jobs/lifecycle.py: every arrow is a rule that was carried out.

    PYTHONPATH=. .venv/bin/python docs/draw_lifecycle.py            # writes the drawing
    PYTHONPATH=. .venv/bin/python docs/draw_lifecycle.py --check    # exits 1 when the committed drawing is stale

Only the places of the boxes are chosen here. A state without a place, or a move that this layout has no arrow for, is
an error: then the layout has to follow the table.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from jobs import facts
from jobs.component import ComponentRef
from jobs.facts import Fact
from jobs.grant import DEFAULT
from jobs.lifecycle import ATTEMPTS_MAX, TABLE, advance, born
from jobs.model import Job, JobState, Msat, Offer
from jobs.orders import Fetch, Order, Publish
from jobs.outcome import Outcome, RunReport, Usage
from jobs.request import JobRequest
from relayclient.event import Event

DRAWING = Path(__file__).with_name("lifecycle.svg")

# What happens: one sample of every fact, two where the rule looks inside it


@dataclass(frozen=True, slots=True)
class Case:
    """A fact, the job it happens to, and what tells it from the other case of the same fact."""

    fact: Fact
    attempt: int = 1
    when: str = ""


def _report(outcome: Outcome) -> RunReport:
    return RunReport(outcome, 0, b"", b"", Usage(0, 0, 0))


def cases(state: JobState, kind: type[Fact]) -> list[Case]:
    """Every case of one pair of the table."""
    return {
        facts.PartsFetched: [Case(facts.PartsFetched(0))],
        facts.PartsMissing: [Case(facts.PartsMissing("", ""))],
        facts.SlotGranted: [Case(facts.SlotGranted())],
        facts.RunEnded: [
            Case(facts.RunEnded(1, _report(Outcome.FINISHED)), when="finished"),
            Case(facts.RunEnded(1, _report(Outcome.TRAPPED)), when="not finished"),
        ],
        facts.WorkLingers: [Case(facts.WorkLingers())],
        facts.DeadlinePassed: [Case(facts.DeadlinePassed(state))],
        facts.ResultAccepted: [Case(facts.ResultAccepted(""))],
        facts.ResultRefused: [Case(facts.ResultRefused(""))],
        facts.NodeRestarted: [
            Case(facts.NodeRestarted()),
            Case(facts.NodeRestarted(), ATTEMPTS_MAX, f"run {ATTEMPTS_MAX}"),
        ],
    }[kind]


def sample_job() -> tuple[Job, tuple[Order, ...]]:
    """A job at its birth, of a request that nobody signed."""
    event = Event("0" * 64, "0" * 64, 0, 5850, (), "", "0" * 128)
    request = JobRequest(event=event, component=ComponentRef("0" * 64, None, ()))
    return born(request, Offer(Msat(0), DEFAULT, 0), "", 0)


# What follows: arrows with their words


@dataclass(frozen=True, slots=True)
class Label:
    fact: str
    orders: str


Arrows = dict[tuple[JobState, JobState], list[Label]]


def arrows() -> Arrows:
    """Every move that the table allows, found by making it."""
    found: Arrows = defaultdict(list)
    for state, kind in TABLE:
        ends = []
        for case in cases(state, kind):
            job = replace(sample_job()[0], state=state, attempt=case.attempt)
            after, orders = advance(job, case.fact, 0)
            ends.append((after.state, case.when, in_words(orders)))
        differ = len({(end, orders) for end, _, orders in ends}) > 1
        for end, when, ordered in ends if differ else ends[:1]:
            name = kind.__name__ + (f" ({when})" if differ and when else "")
            found[state, end].append(Label(name, ordered))
    return found


def in_words(orders: tuple[Order, ...]) -> str:
    """The orders as the drawing shows them."""
    words = []
    for order in orders:
        match order:
            case Publish(purpose):
                words.append(f"publish {purpose}")
            case Fetch():
                words.append("fetch")
            case _:
                words.append("start run")
    return ", ".join(words)


# Where it stands

WIDTH, HEIGHT = 1380, 560
BOX_W, BOX_H = 132, 52
ROAD_Y, END_Y = 200, 450
PLACES = {
    JobState.FETCHING: (270, ROAD_Y),
    JobState.QUEUED: (530, ROAD_Y),
    JobState.RUNNING: (790, ROAD_Y),
    JobState.DELIVERING: (1104, ROAD_Y),
    JobState.DONE: (1294, END_Y),
    JobState.FAILED: (687, END_Y),
    JobState.DECLINED: (82, END_Y),
}
FAILED_W = 966
START = (82, ROAD_Y)
LINE = 17
"""Height of one line of words."""

STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 13px; fill: #1f2933 }
.title { font-size: 19px; font-weight: 600 }
.state { font-size: 15px; font-weight: 600; text-anchor: middle }
.mid { text-anchor: middle }
.soft { fill: #66727f }
.order { fill: #9a4b00 }
.paper { fill: #ffffff }
.dot { fill: #1f2933 }
.arrow { fill: none; stroke: #8494a5; stroke-width: 1.6; marker-end: url(#head) }
.head { fill: #8494a5 }
.box { stroke-width: 1.6 }
.live { fill: #e4eefb; stroke: #3d77c2 }
.good { fill: #dff3e4; stroke: #2e8b57 }
.bad { fill: #fbe6e4; stroke: #c0473b }
.none { fill: #eceff2; stroke: #8494a5 }
@media (prefers-color-scheme: dark) {
  text, .dot { fill: #e6ebf1 }
  .soft { fill: #9aa7b5 }
  .order { fill: #f0a860 }
  .paper { fill: #11161d }
  .live { fill: #17304f; stroke: #6ba3ea }
  .good { fill: #143724; stroke: #58bd83 }
  .bad { fill: #46211d; stroke: #e47a6f }
  .none { fill: #232b34 }
}
"""
CLASSES = {JobState.DONE: "good", JobState.FAILED: "bad", JobState.DECLINED: "none"}


def box(state: JobState) -> str:
    x, y = PLACES[state]
    width = FAILED_W if state is JobState.FAILED else BOX_W
    kind = CLASSES.get(state, "live")
    corner = f'x="{x - width / 2:g}" y="{y - BOX_H / 2:g}"'
    return (
        f'<rect class="box {kind}" {corner} width="{width}" height="{BOX_H}" rx="12"/>'
        f'<text class="state" x="{x}" y="{y + 5}">{state.value}</text>'
    )


def words(label: Label) -> str:
    """A fact and, in another colour, what is ordered then."""
    orders = f' <tspan class="order">\N{RIGHTWARDS ARROW} {escape(label.orders)}</tspan>' if label.orders else ""
    return escape(label.fact) + orders


def column(labels: list[Label], x: float, y: float, *, middle: bool = False) -> str:
    """Labels under each other, the first at `y`."""
    kind = ' class="mid"' if middle else ""
    return "".join(
        f'<text{kind} x="{x:g}" y="{y + LINE * n:g}">{words(label)}</text>' for n, label in enumerate(labels)
    )


def arrow(path: str) -> str:
    return f'<path class="arrow" d="{path}"/>'


def along_the_road(x1: float, x2: float, label: Label) -> str:
    """A step to the right: the fact above the arrow, the orders below it."""
    middle = (x1 + x2) / 2
    orders = f'<text class="mid order" x="{middle:g}" y="{ROAD_Y + 21}">{escape(label.orders)}</text>'
    fact, _, when = label.fact.partition(" (")
    above = [fact] if not when else [fact, "(" + when]
    lines = "".join(
        f'<text class="mid" x="{middle:g}" y="{ROAD_Y - 10 - LINE * (len(above) - 1 - n)}">{escape(line)}</text>'
        for n, line in enumerate(above)
    )
    return arrow(f"M{x1:g} {ROAD_Y} H{x2 - 2:g}") + lines + (orders if label.orders else "")


def loop(state: JobState, labels: list[Label]) -> str:
    """Facts that leave the state as it is."""
    x, y = PLACES[state]
    top = y - BOX_H / 2
    path = f"M{x - 22} {top:g} C{x - 34} {top - 42:g} {x + 34} {top - 42:g} {x + 22} {top - 2:g}"
    return arrow(path) + column(labels, x, top - 40 - LINE * (len(labels) - 1), middle=True)


def back(source: JobState, target: JobState, labels: list[Label]) -> str:
    """A step to the left, below the road."""
    x1, x2, y = PLACES[source][0] - 36, PLACES[target][0] + 36, ROAD_Y + BOX_H / 2
    path = f"M{x1} {y:g} C{x1 - 14} {y + 46:g} {x2 + 14} {y + 46:g} {x2 + 1} {y + 2:g}"
    return arrow(path) + column(labels, (x1 + x2) / 2, y + 53, middle=True)


def down(source: JobState, labels: list[Label]) -> str:
    """To the bad end."""
    x, y = PLACES[source][0], ROAD_Y + BOX_H / 2
    end = END_Y - BOX_H / 2
    return arrow(f"M{x} {y:g} V{end - 2:g}") + column(labels, x + 12, end - 16 - LINE * (len(labels) - 1))


def to_done(source: JobState, labels: list[Label]) -> str:
    x1, x2 = PLACES[source][0] + BOX_W / 2, PLACES[JobState.DONE][0]
    end = END_Y - BOX_H / 2
    path = f"M{x1:g} {ROAD_Y} H{x2 - 16} Q{x2} {ROAD_Y} {x2} {ROAD_Y + 16} V{end - 2:g}"
    return arrow(path) + column(labels, (x1 + x2) / 2 + 8, ROAD_Y - 10, middle=True)


def birth() -> str:
    """Not in the table: how a request becomes a job, or does not."""
    x, y = START
    job, orders = sample_job()
    taken = Label("accepted", in_words(orders))
    end = END_Y - BOX_H / 2
    refused = column([Label("refused", "publish error")], x + 12, end - 16)
    return (
        f'<circle class="dot" cx="{x}" cy="{y}" r="7"/><text class="mid" x="{x}" y="{y - 26}">request</text>'
        + along_the_road(x + 9, PLACES[job.state][0] - BOX_W / 2, taken)
        + arrow(f"M{x} {y + 9} V{end - 2:g}")
        + refused
    )


def moves() -> str:
    """All arrows of the table."""
    parts = []
    for (source, target), labels in arrows().items():
        if target is source:
            parts.append(loop(source, labels))
        elif target is JobState.FAILED:
            parts.append(down(source, labels))
        elif target is JobState.DONE:
            parts.append(to_done(source, labels))
        elif PLACES[target][0] < PLACES[source][0]:
            parts.append(back(source, target, labels))
        else:
            (label,) = labels
            parts.append(along_the_road(PLACES[source][0] + BOX_W / 2, PLACES[target][0] - BOX_W / 2, label))
    return "\n".join(parts)


def draw() -> str:
    """The drawing."""
    left = 24
    legend = (
        f'<text class="title" x="{left}" y="42">The life of a job</text>'
        f'<text class="soft" x="{left}" y="66">On each arrow: what happened'
        ' <tspan class="order">\N{RIGHTWARDS ARROW} what is done about it</tspan></text>'
        f'<text class="soft" x="{left}" y="{HEIGHT - 38}">done, failed and declined are ends: what comes later changes'
        " nothing. Neither does the report of a run that is not the last one.</text>"
        f'<text class="soft" x="{left}" y="{HEIGHT - 18}">Drawn from the table in jobs/lifecycle.py by'
        " docs/draw_lifecycle.py.</text>"
    )
    head = '<marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
            ' role="img" aria-label="The states of a job, the facts that move it, and the orders that follow">',
            f"<style>{STYLE}</style>",
            f'<defs>{head}<path class="head" d="M0 1 L10 5 L0 9 z"/></marker></defs>',
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="16"/>',
            legend,
            birth(),
            moves(),
            *(box(state) for state in JobState),
            "</svg>",
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        stale = not DRAWING.exists() or DRAWING.read_text(encoding="utf-8") != draw()
        if stale:
            print(
                "docs/lifecycle.svg is stale: run PYTHONPATH=. .venv/bin/python docs/draw_lifecycle.py", file=sys.stderr
            )
        return int(stale)
    DRAWING.write_text(draw(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

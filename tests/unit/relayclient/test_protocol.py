"""The session as dialogues: what the world does, what the session then sends and tells. No loop, socket or clock."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayclient.clock import Moment
from relayclient.errors import Reason
from relayclient.event import Event
from relayclient.filters import Filter
from relayclient.limits import SessionLimits
from relayclient.news import Answered, CaughtUp, Connected, Dropped, EventSeen, News, Noticed, SubscriptionLost
from relayclient.protocol import MAX_SUB_CHARS, Session
from relayclient.recent import Recent
from relayclient.verdicts import Verdict
from tests.support.events import ALICE, BOB, T0, signed

URL = "wss://relay.example"
JOBS = Filter(kinds=(5850,))


class Dialogue:
    """A session, its relay, and the time."""

    def __init__(self, limits: SessionLimits | None = None) -> None:
        self.limits = limits or SessionLimits()
        self.verified: Recent[str, str] = Recent(100)
        self.session = Session(URL, rng=Random(1), limits=self.limits, verified=self.verified)
        self.now = Moment(1000.0, T0)

    # What the world does

    def connects(self) -> None:
        self.session.opened(self.now)

    def says(self, *messages: object) -> None:
        for message in messages:
            text = message if isinstance(message, str | bytes) else json.dumps(message)
            self.session.frame(text, self.now)

    def passes(self, seconds: float) -> None:
        """Time goes by; the driver wakes the session whenever it asked for that."""
        end = self.now.monotonic + seconds
        while (deadline := self.session.deadline()) is not None and deadline <= end:
            self._to(deadline)
            self.session.tick(self.now)
        self._to(end)

    def _to(self, monotonic: float) -> None:
        assert monotonic >= self.now.monotonic, "the session asked for a time that has passed"
        self.now = Moment(monotonic, T0 + int(monotonic - 1000.0))

    # What the session does

    def sent(self) -> list[Any]:
        return [json.loads(frame) for frame in self.session.frames_to_send()]

    def told(self) -> list[News]:
        return self.session.news()

    # The usual beginning

    def subscribed(self, *filters: Filter, since: int | None = None) -> str:
        """Connected and caught up with an empty relay; the id under which the relay knows the subscription."""
        self.session.subscribe("jobs", filters or (JOBS,), self.now, since)
        self.connects()
        [[_, wire_id, *_]] = self.sent()
        self.says(["EOSE", wire_id])
        assert self.told() == [Connected(URL), CaughtUp(URL, "jobs", self.now.unix)]
        return str(wire_id)


def dropped(*reasons: Reason) -> list[News]:
    return [Dropped(URL, reason) for reason in reasons]


# Subscribing


def test_a_subscription_is_asked_for_on_connection_and_its_events_are_told() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS, Filter(kinds=(5,))], d.now)
    assert d.sent() == []
    d.connects()
    [[req, wire_id, *filters]] = d.sent()
    assert (req, filters) == ("REQ", [{"kinds": [5850]}, {"kinds": [5]}])
    one, two = signed("one"), signed("two", kind=5)
    d.says(["EVENT", wire_id, one.to_wire()], ["EOSE", wire_id], ["EVENT", wire_id, two.to_wire()])
    assert d.told() == [
        Connected(URL),
        EventSeen(URL, "jobs", one),
        CaughtUp(URL, "jobs", T0),
        EventSeen(URL, "jobs", two),
    ]
    assert d.sent() == []


def test_subscribing_on_an_open_connection_asks_at_once() -> None:
    d = Dialogue()
    d.connects()
    d.session.subscribe("jobs", [JOBS], d.now)
    assert [m[0] for m in d.sent()] == ["REQ"]


def test_the_cursor_less_the_overlap_is_where_stored_events_are_asked_from() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS, Filter(kinds=(5,), since=T0 - 10)], d.now, since=T0 - 5000)
    d.connects()
    [[_, _, one, two]] = d.sent()
    assert one == {"kinds": [5850], "since": T0 - 5000 - 600}
    assert two == {"kinds": [5], "since": T0 - 10}


@pytest.mark.parametrize(("cursor", "since"), [(T0 + 10**8, T0 - 600), (100, 0)])
def test_a_cursor_from_a_wrong_clock_is_brought_back_to_possible_times(cursor: int, since: int) -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now, since=cursor)
    d.connects()
    assert d.sent()[0][2]["since"] == since


def test_replacing_and_ending_a_subscription_close_the_old_one() -> None:
    d = Dialogue()
    old = d.subscribed()
    d.session.subscribe("jobs", [Filter(kinds=(1,))], d.now)
    close, [req, new, _] = d.sent()
    assert (close, req) == (["CLOSE", old], "REQ")
    assert new != old
    d.says(["EVENT", old, signed().to_wire()], ["EOSE", old])
    assert d.told() == dropped(Reason.UNKNOWN_SUBSCRIPTION, Reason.UNKNOWN_SUBSCRIPTION)
    d.session.unsubscribe("jobs")
    d.session.unsubscribe("jobs")
    assert d.sent() == [["CLOSE", new]]
    assert d.session.deadline() is None


@pytest.mark.parametrize("name", ["", "x" * (MAX_SUB_CHARS + 1), "é", "a\nb"])
def test_names_relays_may_refuse_are_refused_here(name: str) -> None:
    d = Dialogue()
    with pytest.raises(ValueError, match="name"):
        d.session.subscribe(name, [JOBS], d.now)
    with pytest.raises(ValueError, match="filter"):
        d.session.subscribe("jobs", [], d.now)


def test_the_longest_name_still_fits_what_relays_take() -> None:
    d = Dialogue()
    d.connects()
    d.session.subscribe("x" * MAX_SUB_CHARS, [JOBS], d.now)
    assert len(d.sent()[0][1]) <= 64


# Reconnecting


def test_after_a_reconnection_everything_since_the_last_confirmation_is_asked_for() -> None:
    d = Dialogue()
    first = d.subscribed()
    d.passes(500)
    confirmed = [n.upto for n in d.told() if isinstance(n, CaughtUp)][-1]
    d.session.closed("gone")
    assert d.told() == []
    assert d.session.deadline() is None
    d.passes(86_400)
    d.connects()
    [[req, second, f]] = d.sent()
    assert (req, f) == ("REQ", {"kinds": [5850], "since": confirmed - 600})
    d.says(["EOSE", first], ["EOSE", second])
    assert d.told() == [
        Connected(URL),
        *dropped(Reason.UNKNOWN_SUBSCRIPTION),
        CaughtUp(URL, "jobs", T0 + 500 + 86_400),
    ]


def test_without_confirmation_a_reconnection_starts_where_the_first_connection_did() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now, since=T0 - 5000)
    d.connects()
    d.sent()
    d.passes(1000)
    d.session.closed("gone")
    d.connects()
    assert d.sent()[0][2]["since"] == T0 - 5600


def test_nothing_of_the_old_connection_is_sent_on_the_new_one() -> None:
    d = Dialogue()
    d.subscribed()
    d.session.unsubscribe("jobs")
    d.session.closed("gone")
    d.connects()
    assert d.sent() == []


# Confirming


def test_a_live_subscription_is_confirmed_every_minute_up_to_the_minute_before() -> None:
    d = Dialogue()
    d.subscribed()
    d.passes(59)
    assert d.told() == []
    d.passes(122)
    assert d.told() == [CaughtUp(URL, "jobs", T0 + at) for at in (0, 60, 120)]


def test_confirmation_never_falls_when_the_wall_clock_does() -> None:
    d = Dialogue()
    d.subscribed()
    d.session.tick(Moment(d.now.monotonic + 60, T0 - 1000))
    d.session.tick(Moment(d.now.monotonic + 120, T0 - 940))
    assert d.told() == [CaughtUp(URL, "jobs", T0)] * 2


def test_an_eose_that_never_comes_is_counted_and_the_subscription_goes_on_unconfirmed() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now)
    d.connects()
    [[_, wire_id, _]] = d.sent()
    d.passes(29)
    d.says(["EVENT", wire_id, (stored := signed("stored")).to_wire()])
    d.passes(29)
    assert d.told() == [Connected(URL), EventSeen(URL, "jobs", stored)]
    d.passes(1000)
    assert d.told() == dropped(Reason.EOSE_MISSING)
    d.says(["EVENT", wire_id, (live := signed("live")).to_wire()])
    assert d.told() == [EventSeen(URL, "jobs", live)]
    assert not d.session.proved
    d.says(["EOSE", wire_id])
    assert d.told() == [CaughtUp(URL, "jobs", T0)]
    assert d.session.proved


def test_a_second_eose_confirms_nothing() -> None:
    d = Dialogue()
    wire_id = d.subscribed()
    d.says(["EOSE", wire_id])
    assert d.told() == dropped(Reason.UNKNOWN_SUBSCRIPTION)


# Paging


def page_of(d: Dialogue, wire_id: str, events: list[Event]) -> None:
    d.says(*(["EVENT", wire_id, e.to_wire()] for e in events), ["EOSE", wire_id])


STORED = [signed(str(i), created_at=T0 - i) for i in range(1, 31)]


def test_older_events_are_asked_for_until_nothing_is_missing_and_only_then_is_it_confirmed() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now, since=T0 - 5000)
    d.connects()
    [[_, live, _]] = d.sent()
    page_of(d, live, STORED[:20])
    [[req, page, f]] = d.sent()
    assert (req, f) == ("REQ", {"kinds": [5850], "since": T0 - 5600, "until": T0 - 20 + 1})
    d.says(["EVENT", live, (new := signed("new")).to_wire()])
    page_of(d, page, STORED[18:])
    [close, [_, last, _]] = d.sent()
    assert close == ["CLOSE", page]
    seen = d.told()
    assert CaughtUp not in map(type, seen)
    page_of(d, last, STORED[28:])
    assert d.sent() == [["CLOSE", last]]
    seen += d.told()
    assert [n.event for n in seen if isinstance(n, EventSeen)] == [
        *STORED[:20],
        new,
        *STORED[18:],
        *STORED[28:],
    ]
    assert seen[-1] == CaughtUp(URL, "jobs", T0)


def test_a_hint_that_all_was_sent_saves_the_page() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now)
    d.connects()
    [[_, live, _]] = d.sent()
    d.says(*(["EVENT", live, e.to_wire()] for e in STORED), ["EOSE", live, ["finish"]])
    assert d.sent() == []
    assert d.told()[-1] == CaughtUp(URL, "jobs", T0)


def test_a_page_that_is_never_answered_is_given_up_without_confirmation() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now)
    d.connects()
    [[_, live, _]] = d.sent()
    page_of(d, live, STORED)
    [[_, page, _]] = d.sent()
    d.told()
    d.passes(1000)
    assert d.told() == dropped(Reason.EOSE_MISSING)
    assert d.sent() == [["CLOSE", page]]
    d.says(["EVENT", live, (new := signed("new")).to_wire()], ["EOSE", page])
    assert d.told() == [EventSeen(URL, "jobs", new), *dropped(Reason.UNKNOWN_SUBSCRIPTION)]


def test_a_refused_page_has_everything_asked_for_again() -> None:
    d = Dialogue()
    d.session.subscribe("jobs", [JOBS], d.now)
    d.connects()
    [[_, live, _]] = d.sent()
    page_of(d, live, STORED)
    [[_, page, _]] = d.sent()
    d.told()
    d.says(["CLOSED", page, "rate-limited: too many"])
    assert d.sent() == [["CLOSE", live]]
    [lost] = d.told()
    assert isinstance(lost, SubscriptionLost)
    d.passes(lost.retry_in)
    [[req, again, f]] = d.sent()
    assert (req, f) == ("REQ", {"kinds": [5850]})
    d.says(["EOSE", again])
    assert d.told() == [CaughtUp(URL, "jobs", d.now.unix)]


def test_pages_are_bounded_and_the_bound_is_counted() -> None:
    d = Dialogue(SessionLimits(pages=2))
    d.session.subscribe("jobs", [JOBS], d.now)
    d.connects()
    [[_, wire_id, _]] = d.sent()
    for i in range(3):
        page_of(d, wire_id, STORED[i * 10 : i * 10 + 10])
        wire_id = next((m[1] for m in d.sent() if m[0] == "REQ"), "")
    assert wire_id == ""
    assert d.told()[-2:] == [*dropped(Reason.TOO_MANY_PAGES), CaughtUp(URL, "jobs", T0)]


# CLOSED


def test_a_closed_subscription_is_asked_for_again_ever_more_rarely() -> None:
    d = Dialogue()
    wire_id = d.subscribed()
    waits = []
    for _ in range(12):
        d.says(["CLOSED", wire_id, "error: \x1b[31mrestarting"])
        [lost] = d.told()
        assert isinstance(lost, SubscriptionLost)
        assert (lost.sub, lost.verdict) == ("jobs", Verdict.TRANSIENT)
        assert lost.text == "error: \ufffd[31mrestarting"
        waits.append(lost.retry_in)
        d.passes(lost.retry_in - 0.01)
        assert d.sent() == []
        d.passes(0.01)
        [[req, wire_id, f]] = d.sent()
        assert (req, f["since"]) == ("REQ", T0 - 600)
    assert waits[0] <= 2
    assert 150 <= waits[-1] <= 300
    d.says(["EOSE", wire_id], ["CLOSED", wire_id, ""])
    assert [n.retry_in <= 2 for n in d.told() if isinstance(n, SubscriptionLost)] == [True]


def test_a_subscription_refused_for_good_is_told_so() -> None:
    d = Dialogue()
    wire_id = d.subscribed()
    d.says(["CLOSED", wire_id, "restricted: members only"])
    [lost] = d.told()
    assert isinstance(lost, SubscriptionLost)
    assert lost.verdict is Verdict.REFUSED


def test_a_closed_subscription_tells_nothing_until_it_is_asked_for_again() -> None:
    d = Dialogue()
    wire_id = d.subscribed()
    d.says(["CLOSED", wire_id, ""], ["EVENT", wire_id, signed().to_wire()], ["CLOSED", wire_id, ""])
    assert d.told()[1:] == dropped(Reason.UNKNOWN_SUBSCRIPTION, Reason.UNKNOWN_SUBSCRIPTION)


# Publishing


def test_a_publication_is_answered() -> None:
    d = Dialogue()
    d.connects()
    e = signed()
    d.session.publish(e, d.now)
    assert d.sent() == [["EVENT", e.to_wire()]]
    assert d.session.publishing
    d.says(["OK", e.id, True, ""])
    assert d.told() == [Connected(URL), Answered(URL, e.id, Verdict.ACCEPTED, "")]
    assert not d.session.publishing


@pytest.mark.parametrize(
    ("accepted", "text", "verdict"),
    [
        (False, "duplicate: exists", Verdict.ACCEPTED),
        (False, "rate-limited: x", Verdict.TRANSIENT),
        (False, "blocked: x", Verdict.REFUSED),
    ],
)
def test_answers_have_verdicts(accepted: bool, text: str, verdict: Verdict) -> None:
    d = Dialogue()
    d.connects()
    d.session.publish(e := signed(), d.now)
    d.says(["OK", e.id, accepted, text])
    assert d.told()[1:] == [Answered(URL, e.id, verdict, text)]


def test_an_answer_that_never_comes() -> None:
    d = Dialogue()
    d.connects()
    d.session.publish(first := signed("first"), d.now)
    d.passes(4)
    d.session.publish(second := signed("second"), d.now)
    d.passes(5.9)
    assert d.told() == [Connected(URL)]
    d.passes(0.1)
    [answer] = d.told()
    assert isinstance(answer, Answered)
    assert (answer.event_id, answer.verdict) == (first.id, Verdict.TRANSIENT)
    d.says(["OK", first.id, True, ""], ["OK", second.id, True, ""])
    assert d.told() == [*dropped(Reason.UNEXPECTED_OK), Answered(URL, second.id, Verdict.ACCEPTED, "")]


def test_an_ok_for_what_was_not_published_changes_nothing() -> None:
    d = Dialogue()
    d.connects()
    d.session.publish(e := signed(), d.now)
    d.says(["OK", "", False, "invalid: x"], ["OK", "0" * 64, True, ""])
    assert d.told()[1:] == dropped(Reason.UNEXPECTED_OK, Reason.UNEXPECTED_OK)
    d.says(["OK", e.id, True, ""], ["OK", e.id, False, "blocked: second thoughts"])
    assert d.told() == [Answered(URL, e.id, Verdict.ACCEPTED, ""), *dropped(Reason.UNEXPECTED_OK)]


def test_a_publication_waits_for_the_connection_but_not_for_ever() -> None:
    d = Dialogue()
    d.session.publish(e := signed("held"), d.now)
    assert d.sent() == []
    d.passes(5)
    d.connects()
    assert d.sent() == [["EVENT", e.to_wire()]]
    d.session.closed("gone")
    assert d.told() == [Connected(URL), Answered(URL, e.id, Verdict.TRANSIENT, "gone")]
    d.session.publish(e, d.now)
    d.passes(10)
    assert [type(n) for n in d.told()] == [Answered]


def test_one_event_is_sent_once_however_often_it_is_asked_for() -> None:
    d = Dialogue()
    d.connects()
    d.session.publish(e := signed(), d.now)
    d.session.publish(e, d.now)
    assert len(d.sent()) == 1
    d.says(["OK", e.id, True, ""])
    assert len(d.told()) == 2
    d.session.publish(e, d.now)
    assert len(d.sent()) == 1


def test_publications_without_answer_are_bounded() -> None:
    d = Dialogue(SessionLimits(pending=2))
    d.connects()
    events = [signed(str(i)) for i in range(3)]
    for e in events:
        d.session.publish(e, d.now)
    assert len(d.sent()) == 2
    [_, answer] = d.told()
    assert isinstance(answer, Answered)
    assert (answer.event_id, answer.verdict) == (events[2].id, Verdict.TRANSIENT)


# What relays do wrong

E = signed("poison", tags=(("p", BOB.public),))
OTHER = signed("other")

POISON: list[tuple[object, Reason]] = [
    ("", Reason.NOT_JSON),
    ("\x00", Reason.NOT_JSON),
    (b"\xff\xfe", Reason.NOT_UTF8),
    ("[" * 100_000, Reason.TOO_MANY_BRACKETS),
    ("[" * 8_000 + "]" * 8_000, Reason.TOO_DEEP),
    ("x" * 300_000, Reason.TOO_LARGE),
    ('["NOTICE",1e999]', Reason.NOT_FINITE),
    ('["NOTICE",' + "9" * 5000 + "]", Reason.HUGE_NUMBER),
    ("{}", Reason.NOT_A_LIST),
    (["COUNT", "x", {}], Reason.UNKNOWN_TYPE),
    (["EVENT"], Reason.WRONG_LENGTH),
    (["EVENT", 1, E.to_wire()], Reason.WRONG_TYPE),
    (["EVENT", "?", E.to_wire()], Reason.UNKNOWN_SUBSCRIPTION),
    (["EVENT", "jobs", E.to_wire()], Reason.UNKNOWN_SUBSCRIPTION),
    (["EVENT", "WIRE", None], Reason.NOT_AN_OBJECT),
    (["EVENT", "WIRE", {}], Reason.MISSING_FIELD),
    (["EVENT", "WIRE", {**E.to_wire(), "created_at": True}], Reason.BOOLEAN_AS_NUMBER),
    (["EVENT", "WIRE", {**E.to_wire(), "created_at": 2**63}], Reason.CREATED_AT_OUT_OF_RANGE),
    (["EVENT", "WIRE", {**E.to_wire(), "kind": 5850.0}], Reason.WRONG_TYPE),
    (["EVENT", "WIRE", {**E.to_wire(), "tags": [[]]}], Reason.EMPTY_TAG),
    (["EVENT", "WIRE", {**E.to_wire(), "content": "\ud800"}], Reason.SURROGATE),
    (["EVENT", "WIRE", {**E.to_wire(), "content": "\0"}], Reason.NUL),
    (["EVENT", "WIRE", {**E.to_wire(), "id": OTHER.id}], Reason.ID_MISMATCH),
    (["EVENT", "WIRE", {**E.to_wire(), "sig": OTHER.sig}], Reason.SIGNATURE_MISMATCH),
    (["EVENT", "WIRE", {**E.to_wire(), "pubkey": BOB.public}], Reason.ID_MISMATCH),
    (["EVENT", "WIRE", signed(kind=1).to_wire()], Reason.DOES_NOT_MATCH),
    (["OK", E.id, True, ""], Reason.UNEXPECTED_OK),
    (["OK", E.id, 1, ""], Reason.WRONG_TYPE),
    (["EOSE", "?"], Reason.UNKNOWN_SUBSCRIPTION),
    (["CLOSED", "?", ""], Reason.UNKNOWN_SUBSCRIPTION),
    (["AUTH", "challenge"], Reason.UNEXPECTED_AUTH),
]


@pytest.mark.parametrize(("poison", "reason"), POISON, ids=[f"{i}-{r.value}" for i, (_, r) in enumerate(POISON)])
def test_poison_is_counted_and_the_next_good_event_is_told(poison: object, reason: Reason) -> None:
    d = Dialogue()
    wire_id = d.subscribed()
    if isinstance(poison, list):
        poison = [wire_id if part == "WIRE" else part for part in poison]
    d.says(poison)
    assert d.told() == dropped(reason)
    assert d.sent() == []
    d.says(["EVENT", wire_id, E.to_wire()])
    assert d.told() == [EventSeen(URL, "jobs", E)]


def test_an_event_of_the_right_kind_for_somebody_else_is_dropped() -> None:
    d = Dialogue()
    wire_id = d.subscribed(Filter(kinds=(5850,), tags={"p": (BOB.public,)}))
    d.says(["EVENT", wire_id, signed(tags=(("p", ALICE.public),)).to_wire()], ["EVENT", wire_id, E.to_wire()])
    assert d.told() == [*dropped(Reason.DOES_NOT_MATCH), EventSeen(URL, "jobs", E)]


def test_notices_are_told_cleaned() -> None:
    d = Dialogue()
    d.connects()
    d.says(["NOTICE", "\x1b]0;owned\x07" + "x" * 1000])
    [_, notice] = d.told()
    assert isinstance(notice, Noticed)
    assert len(notice.text) == 200
    assert notice.text.isprintable()


def test_a_forged_copy_does_not_poison_the_memory_of_verified_events() -> None:
    d = Dialogue()
    wire_id = d.subscribed()
    forged = {**E.to_wire(), "sig": OTHER.sig}
    d.says(["EVENT", wire_id, forged])
    assert E.id not in d.verified
    d.says(["EVENT", wire_id, E.to_wire()], ["EVENT", wire_id, forged], ["EVENT", wire_id, E.to_wire()])
    assert d.verified[E.id] == E.sig
    seen = EventSeen(URL, "jobs", E)
    assert d.told() == [*dropped(Reason.SIGNATURE_MISMATCH), seen, *dropped(Reason.SIGNATURE_MISMATCH), seen]


# Anything in any order

LITTLE = [signed(str(i), created_at=T0 - i) for i in range(12)]


@st.composite
def acts(draw: st.DrawFn) -> list[tuple[str, Any]]:
    wire = st.integers(0, 6).map(lambda n: f"jobs:{n}")
    message = st.one_of(
        st.builds(lambda w, e: ["EVENT", w, e.to_wire()], wire, st.sampled_from(LITTLE)),
        st.builds(lambda w: ["EOSE", w], wire),
        st.builds(lambda w: ["CLOSED", w, "error: x"], wire),
        st.builds(lambda e, ok: ["OK", e.id, ok, ""], st.sampled_from(LITTLE), st.booleans()),
        st.sampled_from([p for p, _ in POISON]),
    )
    act = st.one_of(
        st.tuples(st.just("says"), message),
        st.tuples(st.just("passes"), st.sampled_from([0.0, 1.0, 31.0, 400.0])),
        st.tuples(st.just("publish"), st.sampled_from(LITTLE)),
        st.tuples(st.sampled_from(["connects", "closes", "subscribe", "unsubscribe"]), st.none()),
    )
    return draw(st.lists(act, max_size=60))


@settings(deadline=None)
@given(acts())
def test_the_promises_hold_in_any_order_of_things(plan: list[tuple[str, Any]]) -> None:
    d = Dialogue(SessionLimits(pending=3))
    is_open, asked, answered, upto = False, 0, 0, -1
    pending: set[str] = set()
    for act, value in plan:
        if act == "says" and is_open:
            d.says(value)
        elif act == "passes":
            d.passes(value)
        elif act == "publish":
            asked += value.id not in pending
            pending.add(value.id)
            d.session.publish(value, d.now)
        elif act == "connects" and not is_open:
            d.connects()
            is_open = True
        elif act == "closes":
            d.session.closed("gone")
            is_open = False
        elif act == "subscribe":
            d.session.subscribe("jobs", [JOBS], d.now, None if upto < 0 else upto)
        elif act == "unsubscribe":
            d.session.unsubscribe("jobs")
        sent = d.sent()
        assert is_open or not sent
        for news in d.told():
            if isinstance(news, Answered):
                answered += 1
                pending.remove(news.event_id)
            elif isinstance(news, CaughtUp):
                assert upto <= news.upto <= d.now.unix
                upto = news.upto
            elif isinstance(news, EventSeen):
                assert JOBS.matches(news.event)
        assert asked == answered + len(pending)
        assert len(pending) <= 3
        deadline = d.session.deadline()
        assert deadline is None or deadline > d.now.monotonic or act in ("subscribe", "publish", "connects", "says")
    d.session.closed("end")
    assert asked == answered + len([n for n in d.told() if isinstance(n, Answered)])

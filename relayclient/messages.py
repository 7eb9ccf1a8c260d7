"""The messages of NIP-01 (and NIP-42's challenge) as types: relay to client parsed, client to relay written.

Counterpart of `protocol.py`, which gives them meaning. Parsing refuses anything that is not exactly one known message;
the event inside an EVENT stays raw here, because only the session knows whether it is worth a signature check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relayclient.errors import Invalid, InvalidFrame, Reason
from relayclient.event import Event, to_compact_json
from relayclient.filters import Filter
from relayclient.strictjson import parse_json

MAX_FRAME_BYTES = 262_144
"""The largest message taken from a relay: an event of the largest size four times over."""
MAX_SUB_CHARS = 64


# Relay to client


@dataclass(frozen=True, slots=True)
class EventMessage:
    """EVENT: something the relay says is an event for the subscription. Unverified."""

    sub: str
    raw: object


@dataclass(frozen=True, slots=True)
class OkMessage:
    """OK: the answer to a publication."""

    event_id: str
    accepted: bool
    text: str


@dataclass(frozen=True, slots=True)
class EoseMessage:
    """EOSE: all stored events were sent. `finished` is NIP-67's hint that no result was cut off by a limit."""

    sub: str
    finished: bool = False


@dataclass(frozen=True, slots=True)
class ClosedMessage:
    """CLOSED: the relay ended or refused a subscription."""

    sub: str
    text: str


@dataclass(frozen=True, slots=True)
class NoticeMessage:
    """NOTICE: text for people."""

    text: str


@dataclass(frozen=True, slots=True)
class AuthMessage:
    """AUTH: a challenge (NIP-42)."""

    challenge: str


Message = EventMessage | OkMessage | EoseMessage | ClosedMessage | NoticeMessage | AuthMessage


def parse_relay_frame(frame: str | bytes, *, max_bytes: int = MAX_FRAME_BYTES) -> Message:
    """The message in one websocket message; raises InvalidFrame, whatever is in it. Bytes are read as UTF-8 text.

    Elements after those known are ignored, as NIP-01 extensions add them.
    """
    try:
        obj = parse_json(frame, max_bytes=max_bytes)
    except Invalid as e:
        raise InvalidFrame(e.reason, e.detail) from None
    if type(obj) is not list:
        raise InvalidFrame(Reason.NOT_A_LIST)
    if not obj or type(obj[0]) is not str or obj[0] not in _READERS:
        raise InvalidFrame(Reason.UNKNOWN_TYPE)
    length, read = _READERS[obj[0]]
    if len(obj) < length:
        raise InvalidFrame(Reason.WRONG_LENGTH, obj[0])
    return read(obj)


def _event(obj: list[object]) -> EventMessage:
    return EventMessage(_text(obj, 1), obj[2])


def _ok(obj: list[object]) -> OkMessage:
    if type(obj[2]) is not bool:
        raise InvalidFrame(Reason.WRONG_TYPE, "OK")
    # The text is mandatory by now; relays of older make leave it out.
    return OkMessage(_text(obj, 1), obj[2], _text(obj, 3) if len(obj) > 3 else "")


def _eose(obj: list[object]) -> EoseMessage:
    hints = obj[2] if len(obj) > 2 else None
    return EoseMessage(_text(obj, 1), type(hints) is list and "finish" in hints)


def _closed(obj: list[object]) -> ClosedMessage:
    return ClosedMessage(_text(obj, 1), _text(obj, 2) if len(obj) > 2 else "")


def _notice(obj: list[object]) -> NoticeMessage:
    return NoticeMessage(_text(obj, 1))


def _auth(obj: list[object]) -> AuthMessage:
    return AuthMessage(_text(obj, 1))


def _text(obj: list[object], index: int) -> str:
    value = obj[index]
    if type(value) is not str:
        raise InvalidFrame(Reason.WRONG_TYPE, str(obj[0]))
    return value


_READERS: dict[str, tuple[int, Callable[[list[object]], Message]]] = {
    "EVENT": (3, _event),
    "OK": (3, _ok),
    "EOSE": (2, _eose),
    "CLOSED": (2, _closed),
    "NOTICE": (2, _notice),
    "AUTH": (2, _auth),
}


# Client to relay


def event_frame(event: Event) -> str:
    """EVENT: publish."""
    return f'["EVENT",{event.to_json()}]'


def req_frame(sub: str, filters: Sequence[Filter]) -> str:
    """REQ: open the subscription, or replace the one of the same name."""
    return to_compact_json(["REQ", sub, *(f.to_wire() for f in filters)])


def close_frame(sub: str) -> str:
    """CLOSE: end the subscription."""
    return to_compact_json(["CLOSE", sub])

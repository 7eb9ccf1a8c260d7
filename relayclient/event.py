"""Nostr events (NIP-01). An `Event` exists only with its id and signature checked; a `Draft` is what becomes one.

`Event.from_wire` and `Event.from_json` are the only ways in from outside. Signing is in `keys.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from json.encoder import JSONEncoder
from typing import NoReturn

from relayclient import schnorr
from relayclient.errors import Invalid, InvalidEvent, Reason
from relayclient.strictjson import parse_json

Tags = tuple[tuple[str, ...], ...]

MAX_EVENT_BYTES = 65_536
"""The largest event, as JSON in UTF-8 bytes, that relays commonly take; larger ones are refused here too."""
MAX_TAGS = 2_000
MAX_KIND = 65_535
MAX_CREATED_AT = 2**53 - 1
"""Beyond it JSON numbers are not exact everywhere."""

_ENVELOPE_BYTES = 253
"""What the JSON of an event has more than the array its id is computed over: id, sig, and the names of the fields."""
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True)
class Draft:
    """An event without author, id and signature. What exists as a Draft can be signed and read back, if small enough.

    Raises InvalidEvent for values no event can have: ranges, empty tags, NUL, lone surrogates.
    """

    kind: int
    content: str
    tags: Tags
    created_at: int
    """Unix seconds."""

    def __post_init__(self) -> None:
        _check_integer("created_at", self.created_at, MAX_CREATED_AT, Reason.CREATED_AT_OUT_OF_RANGE)
        _check_integer("kind", self.kind, MAX_KIND, Reason.KIND_OUT_OF_RANGE)
        _check_text("content", self.content)
        _check_tags(self.tags, tuple)
        self._signed_part(_NOBODY)

    def id_for(self, pubkey: str) -> str:
        """The id this has when signed by the key, 64 lower-case hex digits."""
        return sha256(self._signed_part(pubkey)).hexdigest()

    def wire_size(self) -> int:
        """Bytes of the finished event as compact JSON; at most MAX_EVENT_BYTES can be signed."""
        return len(self._signed_part(_NOBODY)) + _ENVELOPE_BYTES

    def _signed_part(self, pubkey: str) -> bytes:
        return _signed_part(pubkey, self.created_at, self.kind, self.tags, self.content)


@dataclass(frozen=True, slots=True)
class Event:
    """A verified event. The constructor checks nothing: it is for `from_wire` and for `SecretKey.sign`.

    All hex is lower-case: `id` and `pubkey` 64 digits, `sig` 128. `created_at` is in unix seconds.
    """

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    sig: str

    @classmethod
    def from_json(cls, data: str | bytes) -> Event:
        """The event in a JSON text; raises InvalidEvent."""
        try:
            obj = parse_json(data, max_bytes=MAX_EVENT_BYTES)
        except Invalid as e:
            raise InvalidEvent(e.reason, e.detail) from None
        return cls.from_wire(obj)

    @classmethod
    def from_wire(cls, obj: object, verified: Mapping[str, str] | None = None) -> Event:
        """The event in parsed JSON; raises InvalidEvent, the cheap reasons first and the signature last.

        Fields that NIP-01 does not know are ignored. `verified` maps ids to signatures that were verified before: the
        same signature under the same id, which is a digest of everything else, is not verified again.
        """
        if type(obj) is not dict:
            raise InvalidEvent(Reason.NOT_AN_OBJECT)
        try:
            event_id, pubkey, sig = obj["id"], obj["pubkey"], obj["sig"]
            created_at, kind, tags, content = obj["created_at"], obj["kind"], obj["tags"], obj["content"]
        except KeyError as e:
            raise InvalidEvent(Reason.MISSING_FIELD, str(e.args[0])) from None
        _check_hex("id", event_id, _HEX_64, Reason.BAD_ID)
        _check_hex("pubkey", pubkey, _HEX_64, Reason.BAD_PUBKEY)
        _check_hex("sig", sig, _HEX_128, Reason.BAD_SIG)
        _check_integer("created_at", created_at, MAX_CREATED_AT, Reason.CREATED_AT_OUT_OF_RANGE)
        _check_integer("kind", kind, MAX_KIND, Reason.KIND_OUT_OF_RANGE)
        _check_text("content", content)
        _check_tags(tags, list)
        signed = _signed_part(pubkey, created_at, kind, tags, content)
        if len(signed) + _ENVELOPE_BYTES > MAX_EVENT_BYTES:
            raise InvalidEvent(Reason.TOO_LARGE)
        digest = sha256(signed).digest()
        if digest.hex() != event_id:
            raise InvalidEvent(Reason.ID_MISMATCH)
        if verified is None or verified.get(event_id) != sig:
            _check_signature(bytes.fromhex(pubkey), digest, bytes.fromhex(sig))
        return cls(event_id, pubkey, created_at, kind, tuple(map(tuple, tags)), content, sig)

    def to_wire(self) -> dict[str, object]:
        """As plain JSON values, fields in the order of NIP-01."""
        return {
            "id": self.id,
            "pubkey": self.pubkey,
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": [list(tag) for tag in self.tags],
            "content": self.content,
            "sig": self.sig,
        }

    def to_json(self) -> str:
        """Compact JSON; `Event.from_json` gives the same event back."""
        return to_compact_json(self.to_wire())


to_compact_json = JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode
"""JSON without spaces and without needless escapes: the form NIP-01 computes ids over."""


# What an event must be, field by field

_HEX_64 = re.compile("[0-9a-f]{64}").fullmatch
_HEX_128 = re.compile("[0-9a-f]{128}").fullmatch


def _signed_part(pubkey: str, created_at: int, kind: int, tags: object, content: str) -> bytes:
    # C0 controls without a short escape become \u00xx, as in all implementations and against the letter of NIP-01.
    try:
        return to_compact_json([0, pubkey, created_at, kind, tags, content]).encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidEvent(Reason.SURROGATE) from None


def _check_hex(field: str, value: object, matches: Callable[[str], object], reason: Reason) -> None:
    if type(value) is not str:
        _wrong_type(field)
    if not matches(value):
        raise InvalidEvent(reason)


def _check_integer(field: str, value: object, top: int, reason: Reason) -> None:
    if type(value) is not int:
        if type(value) is bool:
            raise InvalidEvent(Reason.BOOLEAN_AS_NUMBER, field)
        _wrong_type(field)
    if not 0 <= value <= top:
        raise InvalidEvent(reason)


def _check_text(field: str, value: object) -> None:
    if type(value) is not str:
        _wrong_type(field)
    if len(value) > MAX_EVENT_BYTES:
        raise InvalidEvent(Reason.TOO_LARGE)
    if "\0" in value:
        raise InvalidEvent(Reason.NUL, field)


def _check_tags(tags: object, container: type[list[object]] | type[tuple[object, ...]]) -> None:
    if type(tags) is not container:
        _wrong_type("tags")
    if len(tags) > MAX_TAGS:
        raise InvalidEvent(Reason.TOO_MANY_TAGS)
    for tag in tags:
        if type(tag) is not container:
            raise InvalidEvent(Reason.TAG_NOT_A_LIST)
        if not tag:
            raise InvalidEvent(Reason.EMPTY_TAG)
        for value in tag:
            if type(value) is not str:
                raise InvalidEvent(Reason.TAG_VALUE_NOT_TEXT)
            if "\0" in value:
                raise InvalidEvent(Reason.NUL, "tags")


def _check_signature(pubkey: bytes, digest: bytes, sig: bytes) -> None:
    if not schnorr.verify(pubkey, digest, sig):
        raise InvalidEvent(Reason.SIGNATURE_MISMATCH if schnorr.on_curve(pubkey) else Reason.PUBKEY_OFF_CURVE)


def _wrong_type(field: str) -> NoReturn:
    raise InvalidEvent(Reason.WRONG_TYPE, field)

"""What can go wrong, in one tree; and the list of reasons for which something from outside is refused.

    RelayClientError
    ├── Invalid              bad input from outside; also a ValueError; carries a `Reason`
    │   ├── InvalidEvent     not an event, or an event that lies about its id or author
    │   ├── InvalidFrame     a relay's message that is not one
    │   ├── InvalidKey       text that is no key of the kind asked for
    │   └── InvalidUrl       not the address of a relay
    └── LinkError            the connection, not the data
        ├── ConnectFailed    it never stood
        └── ConnectionLost   it stood and ended

Nothing here is raised into a loop that serves relays: the session turns every `Invalid` into a counted drop, the link
turns every `LinkError` into a reconnection with back-off.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why something was refused. The value is stable: it names counters in status displays and logs."""

    # JSON as such
    TOO_LARGE = "too-large"
    NOT_UTF8 = "not-utf8"
    NOT_JSON = "not-json"
    TOO_DEEP = "too-deep"
    TOO_MANY_BRACKETS = "too-many-brackets"
    NOT_FINITE = "not-finite"
    HUGE_NUMBER = "huge-number"
    DUPLICATE_KEY = "duplicate-key"
    # the shape of an event
    NOT_AN_OBJECT = "not-an-object"
    MISSING_FIELD = "missing-field"
    WRONG_TYPE = "wrong-type"
    BOOLEAN_AS_NUMBER = "boolean-as-number"
    BAD_ID = "bad-id"
    BAD_PUBKEY = "bad-pubkey"
    BAD_SIG = "bad-sig"
    CREATED_AT_OUT_OF_RANGE = "created-at-out-of-range"
    KIND_OUT_OF_RANGE = "kind-out-of-range"
    TAG_NOT_A_LIST = "tag-not-a-list"
    EMPTY_TAG = "empty-tag"
    TAG_VALUE_NOT_TEXT = "tag-value-not-text"
    TOO_MANY_TAGS = "too-many-tags"
    NUL = "nul"
    SURROGATE = "surrogate"
    # the truth of an event
    ID_MISMATCH = "id-mismatch"
    PUBKEY_OFF_CURVE = "pubkey-off-curve"
    SIGNATURE_MISMATCH = "signature-mismatch"
    # frames
    NOT_A_LIST = "not-a-list"
    UNKNOWN_TYPE = "unknown-type"
    WRONG_LENGTH = "wrong-length"
    # well-formed, but not what this session asked for
    UNKNOWN_SUBSCRIPTION = "unknown-subscription"
    DOES_NOT_MATCH = "does-not-match"
    UNEXPECTED_OK = "unexpected-ok"
    UNEXPECTED_AUTH = "unexpected-auth"
    EOSE_MISSING = "eose-missing"
    TOO_MANY_PAGES = "too-many-pages"
    # keys and addresses
    BAD_KEY = "bad-key"
    BAD_URL = "bad-url"


class RelayClientError(Exception):
    """The base of everything this package raises on purpose."""


class Invalid(RelayClientError, ValueError):
    """Input that was refused: `reason` for machines, `detail` for people (a field's name, never the input)."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class InvalidEvent(Invalid):
    """Not an acceptable event."""


class InvalidFrame(Invalid):
    """Not an acceptable message of a relay."""


class InvalidKey(Invalid):
    """Not a key of the kind asked for. The message never contains the text that was given."""


class InvalidUrl(Invalid):
    """Not the address of a relay."""


class LinkError(RelayClientError):
    """The connection failed; what was sent over it may or may not have arrived."""


class ConnectFailed(LinkError):
    """The connection never stood: refused, timed out, wrong certificate, redirected, not a websocket server."""


class ConnectionLost(LinkError):
    """The connection stood and ended, whoever ended it."""

"""Keys: the only file that sees a secret.

Text forms are those of NIP-19 (bech32 `nsec` and `npub`). Of pynostr only its bech32 reference code is used: its key
classes accept an npub as a secret, print secrets, and load an HTTP client at import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

import coincurve
from pynostr import bech32

from relayclient import schnorr
from relayclient.errors import InvalidEvent, InvalidKey, Reason
from relayclient.event import MAX_EVENT_BYTES, Draft, Event

Entropy = Callable[[int], bytes]
"""Gives that many unpredictable bytes: `os.urandom` in a node, a seeded generator in a simulation."""

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HEX_64 = re.compile("[0-9a-f]{64}").fullmatch
_HEX_128 = re.compile("[0-9a-f]{128}").fullmatch
_DRAWS = 8
"""A draw fails with probability 2^-128; eight failures mean that the entropy is broken."""


class Signer(Protocol):
    """Whoever can sign as one identity: the key in this process, or later another process that holds it."""

    @property
    def public_key(self) -> str:
        """64 lower-case hex digits."""
        ...

    def sign(self, draft: Draft) -> Event:
        """The draft as a signed event of this identity; raises InvalidEvent when it is too large for relays."""
        ...


class SecretKey:
    """A secp256k1 secret. It is never shown by accident: not by str, repr, formatting, pickling or an error message."""

    __slots__ = ("_key", "public")

    _key: coincurve.PrivateKey
    public: Final[str]
    """The x-only public key, 64 lower-case hex digits."""

    def __init__(self, secret: bytes) -> None:
        """From 32 bytes; raises InvalidKey unless they are a number from 1 to the group order less 1."""
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise InvalidKey(Reason.BAD_KEY, "not a secret key")
        self._key = coincurve.PrivateKey(secret)
        self.public = self._key.public_key_xonly.format().hex()

    @classmethod
    def generate(cls, entropy: Entropy) -> SecretKey:
        """A new key; ValueError if the entropy source keeps giving what can be no key."""
        for _ in range(_DRAWS):
            try:
                return cls(entropy(32))
            except InvalidKey:
                continue
        raise ValueError("the source of entropy is broken")

    @classmethod
    def from_hex(cls, text: str) -> SecretKey:
        """From 64 lower-case hex digits; raises InvalidKey."""
        if not _HEX_64(text):
            raise InvalidKey(Reason.BAD_KEY, "a secret key in hex is 64 lower-case digits")
        return cls(bytes.fromhex(text))

    @classmethod
    def from_nsec(cls, text: str) -> SecretKey:
        """From the bech32 form; raises InvalidKey, for an npub too."""
        return cls(_from_bech32("nsec", text))

    def nsec(self) -> str:
        """The secret, in bech32. For showing it to its owner or writing it to a key file, nothing else."""
        return _to_bech32("nsec", self._key.secret)

    def sign(self, draft: Draft, aux: bytes | None = None) -> Event:
        """The draft as an event by this key; raises InvalidEvent when it is over MAX_EVENT_BYTES.

        `aux` is 32 fresh random bytes (BIP-340: they harden against fault and side-channel attacks), or None for the
        deterministic signature. The library checks the signature it made before it comes out.
        """
        if draft.wire_size() > MAX_EVENT_BYTES:
            raise InvalidEvent(Reason.TOO_LARGE)
        event_id = draft.id_for(self.public)
        sig = self._sign_digest(bytes.fromhex(event_id), aux)
        return Event(event_id, self.public, draft.created_at, draft.kind, draft.tags, draft.content, sig.hex())

    def _sign_digest(self, digest: bytes, aux: bytes | None) -> bytes:
        if aux is not None and len(aux) != 32:  # the library takes b"" for "draw it yourself"
            raise ValueError("aux must be 32 bytes or None")
        return bytes(self._key.sign_schnorr(digest, aux))  # type: ignore[arg-type]  # None means none

    def __repr__(self) -> str:
        return f"SecretKey(of {npub(self.public)})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not for copying or pickling")


class LocalSigner:
    """The `Signer` whose key is in this process."""

    __slots__ = ("_entropy", "_secret")

    def __init__(self, secret: SecretKey, entropy: Entropy) -> None:
        """`entropy` gives the 32 auxiliary bytes of each signature."""
        self._secret = secret
        self._entropy = entropy

    @property
    def public_key(self) -> str:
        return self._secret.public

    def sign(self, draft: Draft) -> Event:
        return self._secret.sign(draft, self._entropy(32))

    def __repr__(self) -> str:
        return f"LocalSigner(of {npub(self.public_key)})"


def verify(pubkey: str, event_id: str, sig: str) -> bool:
    """Whether `sig` (128 hex digits) signs `event_id` (64) by `pubkey` (64); False for anything malformed."""
    if not (_HEX_64(pubkey) and _HEX_64(event_id) and _HEX_128(sig)):
        return False
    return schnorr.verify(bytes.fromhex(pubkey), bytes.fromhex(event_id), bytes.fromhex(sig))


def npub(pubkey: str) -> str:
    """The bech32 form of a public key in hex; raises InvalidKey."""
    if not _HEX_64(pubkey):
        raise InvalidKey(Reason.BAD_KEY, "a public key in hex is 64 lower-case digits")
    return _to_bech32("npub", bytes.fromhex(pubkey))


def parse_npub(text: str) -> str:
    """The hex form of an npub; raises InvalidKey, for an nsec too, and for bytes that are no point of the curve."""
    key = _from_bech32("npub", text)
    if not schnorr.on_curve(key):
        raise InvalidKey(Reason.BAD_KEY, "this npub is no point of the curve")
    return key.hex()


# NIP-19 text forms of 32 bytes

_BECH32_CHARS = {"npub": 63, "nsec": 63}


def _to_bech32(prefix: str, data: bytes) -> str:
    return str(bech32.bech32_encode(prefix, bech32.convertbits(data, 8, 5), bech32.Encoding.BECH32))


def _from_bech32(prefix: str, text: str) -> bytes:
    if len(text) != _BECH32_CHARS[prefix]:
        raise InvalidKey(Reason.BAD_KEY, f"an {prefix} has {_BECH32_CHARS[prefix]} characters")
    found, data, encoding = bech32.bech32_decode(text)
    if encoding is None:
        raise InvalidKey(Reason.BAD_KEY, f"not an {prefix}: a character or the checksum is wrong")
    if found != prefix or encoding is not bech32.Encoding.BECH32:
        raise InvalidKey(Reason.BAD_KEY, f"not an {prefix}")
    raw = bech32.convertbits(data, 5, 8, False)
    if raw is None or len(raw) != 32:
        raise InvalidKey(Reason.BAD_KEY, f"an {prefix} holds 32 bytes")
    return bytes(raw)

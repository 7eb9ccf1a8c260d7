"""BIP-340 verification over libsecp256k1. No secret passes here; signing is in `keys.py`."""

from __future__ import annotations

from functools import lru_cache

from coincurve import PublicKeyXOnly


def on_curve(pubkey: bytes) -> bool:
    """Whether the 32 bytes are the x coordinate of a point."""
    return _parsed(pubkey) is not None


def verify(pubkey: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 64 bytes are a signature over `message` by the x-only key; False for anything malformed."""
    key = _parsed(pubkey)
    return key is not None and len(signature) == 64 and bool(key.verify(signature, message))


@lru_cache(maxsize=512)
def _parsed(pubkey: bytes) -> PublicKeyXOnly | None:
    # Lifting x to a point costs a quarter of a verification, and the same few customers come again and again.
    if len(pubkey) != 32:
        return None
    try:
        return PublicKeyXOnly(pubkey)
    except ValueError:
        return None

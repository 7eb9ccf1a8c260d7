"""Reading tags. A tag is `(name, value, ...)`; what is called its value is the second element, "" if there is none.

No function here raises, whatever is in the tags: a missing tag is None or an empty tuple.
"""

from __future__ import annotations

from relayclient.event import Tags

_MAX_DIGITS = 18


def rows(tags: Tags, name: str) -> Tags:
    """All tags of this name, whole, in order."""
    return tuple(tag for tag in tags if tag[0] == name)


def first(tags: Tags, name: str) -> str | None:
    """The value of the first tag of this name."""
    for tag in tags:
        if tag[0] == name:
            return tag[1] if len(tag) > 1 else ""
    return None


def values(tags: Tags, name: str) -> tuple[str, ...]:
    """The value of each tag of this name; tags without a value are left out."""
    return tuple(tag[1] for tag in tags if tag[0] == name and len(tag) > 1)


def all_values(tags: Tags, name: str) -> tuple[str, ...]:
    """Every element after the name, of all tags of this name: for tags such as `relays` that hold a list."""
    return tuple(value for tag in tags if tag[0] == name for value in tag[1:])


def has(tags: Tags, name: str) -> bool:
    """Whether there is a tag of this name, with or without a value."""
    return any(tag[0] == name for tag in tags)


def at(tag: tuple[str, ...], index: int) -> str:
    """Element `index` of one tag (0 is the name), "" where the tag is shorter."""
    return tag[index] if index < len(tag) else ""


def number(text: str | None) -> int | None:
    """A non-negative decimal integer of at most 18 ASCII digits, else None: no sign, no space, no underscore."""
    if text is None or len(text) > _MAX_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def first_number(tags: Tags, name: str) -> int | None:
    """`number` of the first tag of this name; None when it is missing or no number."""
    return number(first(tags, name))


def expiration(tags: Tags) -> int | None:
    """Unix seconds after which the event means nothing (NIP-40), if it states that."""
    return first_number(tags, "expiration")

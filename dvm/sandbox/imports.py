"""Which interfaces a component may import, and which export is run.

Only WASI 0.2 interfaces of the command world, by name. No file system is ever mounted and every socket is refused by
two walls, but their interfaces may be imported: the standard libraries of several languages always do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_ALLOWED = frozenset(
    f"wasi:{package}/{interface}"
    for package, interfaces in {
        "cli": "environment exit stdin stdout stderr terminal-input terminal-output terminal-stdin terminal-stdout"
        " terminal-stderr",
        "io": "error poll streams",
        "clocks": "monotonic-clock wall-clock",
        "random": "random insecure insecure-seed",
        "filesystem": "types preopens",
        "sockets": "instance-network network ip-name-lookup tcp tcp-create-socket udp udp-create-socket",
    }.items()
    for interface in interfaces.split()
)
LAST_PATCH = 40
"""WASI 0.2.0 to 0.2.`LAST_PATCH` are linked; a later patch release brings nothing that an old component needs."""

_VERSIONED = re.compile(r"([a-z0-9:/-]{1,128})@0\.2\.(0|[1-9][0-9]{0,2})")
_RUN = re.compile(r"wasi:cli/run@0\.2\.(0|[1-9][0-9]{0,2})")


def refused(imports: Iterable[str]) -> str | None:
    """The first import that nobody is granted, or None. The text is a stranger's."""
    for name in imports:
        match = _VERSIONED.fullmatch(name)
        if match is None or match[1] not in _ALLOWED or int(match[2]) > LAST_PATCH:
            return name
    return None


def run_export(exports: Iterable[str]) -> str | None:
    """The name of the exported `wasi:cli/run` instance, or None when the component is no command."""
    return next((name for name in exports if _RUN.fullmatch(name)), None)

"""The room that runs strangers' code: never in the daemon's process, and behind two walls.

The daemon imports `ZygoteSandbox` from here. The processes on the other side of the wall (`zygote`, `child`,
`compiler`) import their own modules only, which is why nothing is loaded before it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dvm.sandbox.limits import SandboxLimits
    from dvm.sandbox.parent import SandboxError, ZygoteSandbox
    from dvm.sandbox.tier import Standing, Tier

__all__ = ["SandboxError", "SandboxLimits", "Standing", "Tier", "ZygoteSandbox"]


def __getattr__(name: str) -> Any:
    if name == "SandboxLimits":
        from dvm.sandbox import limits

        return limits.SandboxLimits
    if name in ("Standing", "Tier"):
        from dvm.sandbox import tier

        return getattr(tier, name)
    if name in __all__:
        from dvm.sandbox import parent

        return getattr(parent, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

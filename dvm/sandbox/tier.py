"""How well a machine holds guests, in four tiers, and what would lift it. Pure: `host` looks, this judges.

A  everything: filter, namespaces, own user, memory bounded by a control group, Landlock with rules for TCP.
B  the same with an older Landlock.
C  filter and namespaces; memory is bounded by the process's own limit alone, or files by the filter alone.
D  less than that: one fault in the filter, and a guest is on the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Tier(Enum):
    """From the best to the least."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"

    def reaches(self, lowest: Tier) -> bool:
        """Whether it is as good as `lowest`, or better."""
        return self.value <= lowest.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What is in force round a worker, as it was found."""

    required: bool
    """All layers without which nothing runs."""
    namespaces: bool
    own_user: bool
    """Not root, nor anybody who has more than guests do."""
    memory_group: bool
    """A control group bounds the memory of all workers together."""
    landlock_abi: int
    """0 where there is none."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The tier, and for each thing that keeps it from the next one a sentence."""

    tier: Tier
    lifts: tuple[str, ...]


_TCP_RULES_ABI = 4

_REQUIRED = "a layer that must stand does not: nothing should run here"
_NAMESPACES = (
    "no namespaces of their own for workers: permit them (user.max_user_namespaces above 0, and where the kernel has "
    "these settings kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; a container "
    "needs a profile that lets unshare through)"
)
_OWN_USER = "workers cannot leave root: start the node as a user of its own"
_NO_LANDLOCK = (
    "no Landlock: it takes Linux 5.13 with CONFIG_SECURITY_LANDLOCK (Debian's kernels have it) and landlock in the "
    "lsm= list of the kernel's command line"
)
_OLD_LANDLOCK = "a Landlock without rules for TCP: Linux 6.7 and later have them"
_MEMORY = (
    "no control group bounds the memory: run the node as a unit with MemoryMax=, and where the firmware switches the "
    "controller off add cgroup_enable=memory to the kernel's command line (/boot/firmware/cmdline.txt)"
)


def standing(host: Host) -> Standing:
    """The best tier whose needs, and those of all below it, are met."""
    rungs = (
        (Tier.C, ((host.required, _REQUIRED), (host.namespaces, _NAMESPACES))),
        (
            Tier.B,
            ((host.own_user, _OWN_USER), (host.memory_group, _MEMORY), (host.landlock_abi >= 1, _NO_LANDLOCK)),
        ),
        (Tier.A, ((host.landlock_abi >= _TCP_RULES_ABI, _OLD_LANDLOCK),)),
    )
    reached = Tier.D
    for tier, needs in rungs:
        lacking = tuple(sentence for met, sentence in needs if not met)
        if lacking:
            return Standing(reached, lacking)
        reached = tier
    return Standing(reached, ())

"""Every combination of what a machine can give, against a plain restatement of the tiers."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from dvm.sandbox.tier import Host, Tier, standing

BOOLEANS = (False, True)
EVERY = [
    Host(required=required, namespaces=namespaces, own_user=own_user, memory_group=memory_group, landlock_abi=abi)
    for required, namespaces, own_user, memory_group in product(BOOLEANS, repeat=4)
    for abi in range(9)
]
BEST = Host(required=True, namespaces=True, own_user=True, memory_group=True, landlock_abi=7)


def expected(host: Host) -> Tier:
    if not (host.required and host.namespaces):
        return Tier.D
    if not host.own_user or not host.memory_group or host.landlock_abi == 0:
        return Tier.C
    return Tier.B if host.landlock_abi < 4 else Tier.A


def test_every_machine() -> None:
    assert len(EVERY) == 144
    assert {standing(host).tier for host in EVERY} == set(Tier)
    for host in EVERY:
        assert standing(host).tier is expected(host)


def test_what_is_missing_is_said_and_nothing_else() -> None:
    for host in EVERY:
        found = standing(host)
        assert (found.lifts == ()) is (found.tier is Tier.A)
        assert len(set(found.lifts)) == len(found.lifts)


def test_following_every_line_leads_up() -> None:
    """Whatever is given in addition never lowers the tier, and giving all that was named raises it."""
    order = "DCBA"
    for host in EVERY:
        before = order.index(standing(host).tier.value)
        for name in ("required", "namespaces", "own_user", "memory_group"):
            assert order.index(standing(replace(host, **{name: True})).tier.value) >= before
        for abi in range(host.landlock_abi, 9):
            assert order.index(standing(replace(host, landlock_abi=abi)).tier.value) >= before


def test_known_machines() -> None:
    assert standing(BEST).tier is Tier.A
    debian = standing(replace(BEST, landlock_abi=2))
    assert debian.tier is Tier.B
    assert "TCP" in debian.lifts[0]
    raspberry = standing(replace(BEST, landlock_abi=0, memory_group=False))
    assert raspberry.tier is Tier.C
    assert "cgroup_enable=memory" in raspberry.lifts[0]
    assert "lsm=" in raspberry.lifts[1]
    container = standing(replace(BEST, namespaces=False))
    assert container.tier is Tier.D
    assert "unshare" in container.lifts[0]


def test_order() -> None:
    for place, tier in enumerate(Tier):
        assert [tier.reaches(lowest) for lowest in Tier] == [at >= place for at in range(4)]

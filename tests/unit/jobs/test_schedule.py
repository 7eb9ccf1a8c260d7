"""Whose turn it is."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from jobs.model import Job, JobState
from jobs.request import JobId
from jobs.schedule import next_jobs
from relayclient.keys import SecretKey
from tests.support.requests import NOW, new_job, request_event

CUSTOMERS = [SecretKey(bytes([n]) * 32) for n in range(10, 14)]
_made: dict[tuple[int, int], Job] = {}


def job(customer: int, age: int) -> Job:
    """A queued job of a customer; the older, the larger `age`. Equal arguments, equal job."""
    if (customer, age) not in _made:
        event = request_event(key=CUSTOMERS[customer], created_at=NOW - age)
        _made[customer, age] = replace(new_job(event), state=JobState.QUEUED, born_at=NOW - age)
    return _made[customer, age]


def ids(*jobs: Job) -> list[JobId]:
    return [job.id for job in jobs]


def test_the_oldest_comes_first() -> None:
    assert next_jobs([job(0, 1), job(0, 3), job(0, 2)], [], 2) == ids(job(0, 3), job(0, 2))


def test_within_one_second_the_order_of_arrival_counts() -> None:
    """Not that of the ids, or an unlucky id would wait while newer requests keep coming."""
    same = [replace(job(0, age), born_at=NOW) for age in range(1, 9)]
    assert next_jobs(same, [], 3) == ids(*same[:3])
    assert next_jobs(same[::-1], [], 3) == ids(*same[::-1][:3])


def test_no_more_run_than_there_are_slots() -> None:
    assert next_jobs([job(0, 1)], [job(0, 2), job(1, 1)], 2) == []
    assert next_jobs([job(0, 1)], [job(0, 2), job(1, 1)], 1) == []


def test_a_customer_with_nothing_running_overtakes_one_with_many_requests() -> None:
    flood = [job(0, age) for age in range(10, 60)]
    assert next_jobs([*flood, job(1, 1)], [job(0, 99)], 2) == ids(job(1, 1))


def test_slots_that_are_free_together_are_shared() -> None:
    flood = [job(0, age) for age in range(10, 60)]
    assert next_jobs([*flood, job(1, 2), job(2, 1)], [], 4) == ids(job(0, 59), job(1, 2), job(2, 1), job(0, 58))


JOBS = st.builds(job, st.integers(0, 3), st.integers(1, 12))


@given(st.sets(JOBS.map(lambda j: j.id), max_size=24), st.sets(JOBS.map(lambda j: j.id), max_size=8), st.integers(1, 8))
def test_the_choice_is_fair_and_complete(queued_ids: set[JobId], running_ids: set[JobId], slots: int) -> None:
    everything = {made.id: made for made in _made.values()}
    queued = [everything[i] for i in sorted(queued_ids - running_ids)]
    running = [everything[i] for i in sorted(running_ids)]
    chosen = next_jobs(queued, running, slots)

    assert len(chosen) == len(set(chosen)) == max(0, min(slots - len(running), len(queued)))
    assert set(chosen) <= {j.id for j in queued}
    if chosen:
        after = [everything[i] for i in chosen] + running
        counts = {key.public: sum(j.request.customer == key.public for j in after) for key in CUSTOMERS}
        for left in (j for j in queued if j.id not in chosen):
            # Whoever still waits has no fewer runs than a customer who was just served could do with one less.
            for i in chosen:
                served = everything[i].request.customer
                assert counts[left.request.customer] >= counts[served] - 1
    for key in CUSTOMERS:
        own = [j for j in sorted(queued, key=lambda j: j.born_at) if j.request.customer == key.public]
        first = [i for i in chosen if everything[i].request.customer == key.public]
        assert first == ids(*own)[: len(first)]

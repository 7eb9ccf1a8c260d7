"""The store on a real file: what was committed is there, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import aiosqlite
import pytest

from dvm.ports import Change, Outgoing, Refusal, StoryLine
from dvm.store import SqliteStore, UnusableDatabase, open_store
from dvm.store.schema import APPLICATION_ID
from dvm.store.sql import migrations, queries
from dvm.store.sqlite import StaleChange
from jobs import reply
from jobs.lifecycle import declined
from jobs.model import Job, JobState
from jobs.request import JobId, Malformed
from relayclient.event import Event
from relayclient.keys import npub
from tests.support.requests import NODE, NOW, OTHER, RELAY, SetClock, new_job, request_event, run_report

T = TypeVar("T")


def with_store(path: Path, act: Callable[[SqliteStore], Awaitable[T]], clock: SetClock | None = None) -> T:
    """Open the store, act, close it."""

    async def main() -> T:
        async with opened(path, clock) as store:
            return await act(store)

    return asyncio.run(main())


@asynccontextmanager
async def opened(path: Path, clock: SetClock | None = None) -> AsyncIterator[SqliteStore]:
    async with open_store(path, me=NODE.public, clock=clock or SetClock()) as store:
        yield store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dvm.sqlite3"


def line(before: str, after: str, at: int = NOW) -> StoryLine:
    return StoryLine(at, "Fact", "detail", before, after, "orders")


def birth(job: Job) -> Change:
    return Change(job, line("", job.state.value, job.born_at))


def move(job: Job, before: JobState, *outgoing: Outgoing) -> Change:
    return Change(job, line(before.value, job.state.value), outgoing)


def result_of(job: Job, output: bytes = b"hi", relays: tuple[str, ...] = (RELAY,)) -> Outgoing:
    draft = reply.result(job, run_report(output=output), NOW)
    assert draft is not None
    return Outgoing(job.id, "result", NODE.sign(draft), relays)


def refusal(event: Event) -> Refusal:
    order = declined(event, Malformed("no-hash", "name it"), RELAY, NOW)
    answer = Outgoing(JobId(event.id), order.purpose, NODE.sign(order.draft), (RELAY,))
    return Refusal(event, RELAY, "no-hash", line("", "declined"), answer)


async def save(store: SqliteStore, *changes: Change | Refusal) -> None:
    async with store.transaction() as tx:
        await tx.save(changes)


def aged(n: int) -> Job:
    """A new job; the smaller `n`, the older. Equal `n`, equal job."""
    return replace(new_job(request_event(created_at=NOW + n)), born_at=NOW + n)


# The file


def schema_of(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()


async def nothing(_store: SqliteStore) -> None:
    pass


def test_a_new_file_has_the_sum_of_all_migrations(path: Path, tmp_path: Path) -> None:
    with_store(path, nothing)
    with closing(sqlite3.connect(tmp_path / "by-hand")) as db:
        for _, script in migrations():
            db.executescript(script)
    assert schema_of(path) == schema_of(tmp_path / "by-hand") != []
    with_store(path, nothing)
    assert schema_of(path) == schema_of(tmp_path / "by-hand")


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_store(path, nothing)
    before = schema_of(path)
    broken = "CREATE TABLE more (a) STRICT; CREATE TABLE half (a INTEGER) STRICT; SELECT * FROM nowhere;"
    monkeypatch.setattr("dvm.store.schema.migrations", lambda: (*migrations(), (2, broken)))
    with pytest.raises(UnusableDatabase):
        with_store(path, nothing)
    assert schema_of(path) == before
    monkeypatch.setattr(
        "dvm.store.schema.migrations", lambda: (*migrations(), (2, "CREATE TABLE more (a INT) STRICT;"))
    )
    with_store(path, nothing)
    assert "more" in [row[1] for row in schema_of(path)]


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("busy_timeout", 5000),
        ("journal_size_limit", 4 << 20),
        ("application_id", APPLICATION_ID),
        ("user_version", 1),
    ],
)
def test_the_settings_are_in_force_on_the_connection_that_writes(path: Path, pragma: str, value: object) -> None:
    async def read(store: SqliteStore) -> object:
        return next(iter(await store._db.execute_fetchall(f"PRAGMA {pragma}")))[0]

    assert with_store(path, read) == value


def test_foreign_keys_are_enforced(path: Path) -> None:
    async def orphan(store: SqliteStore) -> None:
        async with store.transaction() as tx:
            tx._write("insert_story", [(bytes(32), 0, "", "", "", "", "")])

    with pytest.raises(sqlite3.IntegrityError):
        with_store(path, orphan)


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    async def modes(store: SqliteStore) -> dict[str, str]:
        await save(store, birth(aged(0)))
        return {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}

    old = os.umask(0)
    try:
        found = with_store(path, modes)
    finally:
        os.umask(old)
    assert set(found) == {path.name, f"{path.name}-wal", f"{path.name}-shm"}
    assert set(found.values()) == {"0o600"}


def test_the_process_can_end_after_the_store_was_left(path: Path) -> None:
    """An aiosqlite connection that is not closed keeps its thread, and with it the process, alive for ever."""
    program = f"""
import asyncio, sys
from pathlib import Path
from dvm.store import open_store
from relayclient.clock import SystemClock

async def main():
    async with open_store(Path({str(path)!r}), me="00" * 32, clock=SystemClock()):
        if sys.argv[1] == "raise":
            raise RuntimeError("left in a hurry")
        if sys.argv[1] == "cancel":
            asyncio.current_task().cancel()
            await asyncio.sleep(0)

asyncio.run(main())
"""
    for how, status in (("leave", 0), ("raise", 1), ("cancel", 1)):
        ended = subprocess.run([sys.executable, "-c", program, how], timeout=30, capture_output=True, check=False)
        assert ended.returncode == status, ended.stderr.decode()


# Files that are not taken


def refused(path: Path) -> str:
    with pytest.raises(UnusableDatabase) as caught:
        with_store(path, nothing)
    told = str(caught.value)
    assert "\n" not in told
    return told


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"This is a text file. " * 100)
    assert refused(path) == "the database cannot be read (file is not a database); restore it from a backup"
    assert path.read_bytes() == b"This is a text file. " * 100


def test_a_damaged_database_is_refused(path: Path) -> None:
    async def fill(store: SqliteStore) -> None:
        for n in range(40):
            await save(store, birth(aged(n)))

    with_store(path, fill)
    data = bytearray(path.read_bytes())
    for page in range(3, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(data)
    told = refused(path)
    assert told.startswith("the database ")
    assert told.endswith("; restore it from a backup")


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE theirs (a)",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 42",
        "PRAGMA application_id = 42; PRAGMA user_version = 99",
    ],
)
def test_a_database_of_another_program_is_refused_and_left_alone(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    before = path.read_bytes()
    assert refused(path) == "the file is a database of another program"
    assert path.read_bytes() == before


def test_a_database_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    with_store(path, nothing)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    told = (
        "the database was written by a newer dvm (it has schema 99, this program knows 1); install that version again"
    )
    assert refused(path) == told
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)


def test_the_database_of_another_key_is_refused_and_left_alone(path: Path) -> None:
    with_store(path, nothing)

    async def as_another() -> None:
        async with open_store(path, me=OTHER.public, clock=SetClock()):
            pass

    with pytest.raises(UnusableDatabase, match=f"belongs to {npub(NODE.public)}, the key here is .*; put the old key"):
        asyncio.run(as_another())
    with_store(path, nothing)


def test_a_folder_or_an_unreachable_path_is_refused(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    assert "cannot be opened" in refused(path)
    assert "cannot be opened" in refused(tmp_path / "nowhere" / "dvm.sqlite3")


def test_a_database_that_somebody_else_holds_is_not_called_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_store(path, nothing)

    async def impatient(path: Path) -> aiosqlite.Connection:
        return await aiosqlite.connect(path, isolation_level=None, timeout=0)

    monkeypatch.setattr("dvm.store.sqlite._connect.__code__", impatient.__code__)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert refused(path) == "the database cannot be used now (database is locked)"


# Transactions


def test_what_was_committed_is_there_after_reopening(path: Path) -> None:
    job = aged(0)
    moved = replace(job, state=JobState.DELIVERING, attempt=2, told=True)
    answer = result_of(job)

    async def write(store: SqliteStore) -> None:
        await save(store, birth(job))
        async with store.transaction() as tx:
            await tx.save([move(moved, JobState.FETCHING, answer)])
            await tx.move_cursor(RELAY, NOW)

    with_store(path, write)

    async def read(store: SqliteStore) -> None:
        assert await store.live_jobs() == [moved]
        assert await store.unsettled() == [answer]
        assert await store.cursors() == {RELAY: NOW}

    with_store(path, read)


class Stop(Exception):
    pass


@pytest.mark.parametrize("error", [Stop, asyncio.CancelledError])
def test_a_block_that_raises_leaves_nothing_behind(path: Path, error: type[BaseException]) -> None:
    async def act(store: SqliteStore) -> None:
        async def doomed() -> None:
            async with store.transaction() as tx:
                await tx.save([birth(aged(0))])
                await tx.move_cursor(RELAY, NOW)
                raise error

        with pytest.raises(error):
            await doomed()
        assert await store.live_jobs() == []
        assert await store.cursors() == {}
        await save(store, birth(aged(1)))
        assert await store.live_jobs() == [aged(1)]

    with_store(path, act)


def test_a_caller_that_is_cancelled_at_any_await_leaves_all_or_nothing(path: Path) -> None:
    """Every point at which a transaction waits is tried, whatever the database's thread is doing just then."""

    async def writer(store: SqliteStore, n: int) -> None:
        async with store.transaction() as tx:
            assert await tx.known([aged(n).id]) == set()
            await tx.save([birth(aged(n))])
            await tx.move_cursor(f"wss://{n}.example", NOW)

    async def act(store: SqliteStore) -> None:
        committed = 0
        for waits in range(200):
            task = asyncio.get_running_loop().create_task(writer(store, waits))
            for _ in range(waits):
                await asyncio.sleep(0)
            task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0] is None
            assert not store._db.in_transaction or not done
            known = {job.id for job in await store.live_jobs()}
            cursors = await store.cursors()
            assert (aged(waits).id in known) == (f"wss://{waits}.example" in cursors)
            assert not done or aged(waits).id in known
            assert not store._db.in_transaction
            committed += aged(waits).id in known
        assert committed < 200

    with_store(path, act)


def test_a_commit_that_fails_is_rolled_back(path: Path) -> None:
    async def act(store: SqliteStore) -> None:
        def full(action: int, name: str | None, *_: object) -> int:
            stopped = action == sqlite3.SQLITE_TRANSACTION and name == "COMMIT"
            return sqlite3.SQLITE_DENY if stopped else sqlite3.SQLITE_OK

        await store._db.set_authorizer(full)
        with pytest.raises(sqlite3.DatabaseError):
            await save(store, birth(aged(0)))
        await store._db.set_authorizer(None)
        assert not store._db.in_transaction
        assert await store.live_jobs() == []
        await save(store, birth(aged(0)))

    with_store(path, act)


def test_two_tasks_never_share_a_transaction(path: Path) -> None:
    """One rolls back, one commits, one only looks: each as if it were alone."""

    async def act(store: SqliteStore) -> None:
        inside = asyncio.Event()

        async def doomed() -> None:
            async with store.transaction() as tx:
                await tx.save([birth(aged(0))])
                inside.set()
                for _ in range(50):
                    await asyncio.sleep(0)
                raise Stop

        async def looking() -> list[Job]:
            await inside.wait()
            return await store.live_jobs()

        async def good() -> None:
            await inside.wait()
            await save(store, birth(aged(1)))

        failed, found, saved = await asyncio.gather(doomed(), looking(), good(), return_exceptions=True)
        assert isinstance(failed, Stop)
        assert (found, saved) == ([], None)
        assert await store.live_jobs() == [aged(1)]

    with_store(path, act)


# Changes


def test_a_change_from_a_state_that_is_not_the_stored_one_is_refused_whole(path: Path) -> None:
    job, other = aged(0), aged(1)
    queued = replace(job, state=JobState.QUEUED)

    async def act(store: SqliteStore) -> None:
        await save(store, birth(job))
        with pytest.raises(StaleChange, match="1 of 1 changes"):
            await save(store, birth(other), move(replace(job, state=JobState.DELIVERING), JobState.RUNNING))
        assert await store.live_jobs() == [job]
        with pytest.raises(StaleChange):
            await save(store, move(replace(other, state=JobState.QUEUED), JobState.FETCHING))
        await save(store, move(queued, JobState.FETCHING))
        assert await store.live_jobs() == [queued]

    with_store(path, act)


def test_several_changes_of_one_job_in_one_transaction_follow_each_other(path: Path) -> None:
    job = aged(0)
    queued, running = replace(job, state=JobState.QUEUED), replace(job, state=JobState.RUNNING, attempt=1)

    async def act(store: SqliteStore) -> None:
        await save(store, birth(job), move(queued, JobState.FETCHING), move(running, JobState.QUEUED))
        assert await store.live_jobs() == [running]
        record = await store.record(job.id)
        assert record is not None
        assert [step.after for step in record.story] == ["fetching", "queued", "running"]

    with_store(path, act)


def test_a_job_never_has_two_answers_of_one_kind(path: Path) -> None:
    job = aged(0)
    delivering = replace(job, state=JobState.DELIVERING)

    async def act(store: SqliteStore) -> None:
        await save(store, birth(job), move(delivering, JobState.FETCHING, result_of(job, b"one")))
        with pytest.raises(sqlite3.IntegrityError):
            await save(store, move(delivering, JobState.DELIVERING, result_of(job, b"two")))
        with pytest.raises(sqlite3.IntegrityError):
            await save(store, birth(job))
        assert await store.unsettled() == [result_of(job, b"one")]

    with_store(path, act)


def test_known_are_jobs_live_or_ended_and_refusals(path: Path) -> None:
    live, ended, declined_event, unknown = aged(0), aged(1), request_event(named=False), aged(2)

    async def act(store: SqliteStore) -> None:
        await save(store, birth(live), birth(ended), refusal(declined_event))
        await save(store, move(replace(ended, state=JobState.DONE, ended_at=NOW), JobState.FETCHING))
        async with store.transaction() as tx:
            ids = [live.id, ended.id, JobId(declined_event.id), unknown.id]
            assert await tx.known(ids) == set(ids[:3])
            assert await tx.known([]) == set()
            assert await tx.known([aged(n).id for n in range(64)]) == {live.id, ended.id}

    with_store(path, act)


def test_live_jobs_are_those_that_have_not_ended_oldest_first(path: Path) -> None:
    async def act(store: SqliteStore) -> None:
        await save(store, *(birth(aged(n)) for n in (2, 0, 1, 3)), refusal(request_event(named=False)))
        await save(store, move(replace(aged(1), state=JobState.FAILED, code="trap", ended_at=NOW), JobState.FETCHING))
        assert await store.live_jobs() == [aged(0), aged(2), aged(3)]

    with_store(path, act)


def test_settled_answers_are_not_sent_again(path: Path) -> None:
    one, two = (replace(aged(n), state=JobState.DELIVERING) for n in (0, 1))
    relays = (RELAY, "wss://other.example")

    async def act(store: SqliteStore) -> None:
        await save(store, birth(aged(0)), birth(aged(1)), refusal(request_event(named=False)))
        first, second = result_of(one, relays=relays), result_of(two)
        await save(store, move(one, JobState.FETCHING, first), move(two, JobState.FETCHING, second))
        declined_answer = refusal(request_event(named=False)).outgoing
        assert await store.unsettled() == [declined_answer, first, second]
        async with store.transaction() as tx:
            await tx.settle([first.event.id, declined_answer.event.id])
            await tx.settle([first.event.id, "ff" * 32])
            await tx.settle([])
        assert await store.unsettled() == [second]

    with_store(path, act)


def test_of_many_unsent_answers_the_oldest_and_the_newest_are_found(path: Path) -> None:
    async def act(store: SqliteStore) -> None:
        refusals = [refusal(request_event(named=False, created_at=NOW + n)) for n in range(7)]
        await save(store, *refusals)
        answers = [each.outgoing for each in refusals]
        assert await store.unsettled(4) == [*answers[:2], *answers[-2:]]
        assert await store.unsettled(8) == answers

    with_store(path, act)


def test_a_cursor_never_moves_back(path: Path) -> None:
    async def act(store: SqliteStore) -> None:
        for upto in (5, 9, 7):
            async with store.transaction() as tx:
                await tx.move_cursor(RELAY, upto)
                await tx.move_cursor("wss://b.example", 1)
        assert await store.cursors() == {RELAY: 9, "wss://b.example": 1}

    with_store(path, act)


# Reading for people


def test_a_record_is_found_by_the_beginning_of_its_id_if_it_is_the_only_one(path: Path) -> None:
    made = [aged(n) for n in range(40)]  # more than 16: two of them begin with the same digit
    job = made[0]
    delivering = replace(job, state=JobState.DELIVERING, attempt=1)

    async def act(store: SqliteStore) -> None:
        await save(store, *map(birth, made))
        await save(store, move(delivering, JobState.FETCHING, result_of(job)))
        record = await store.record(job.id[:20])
        assert record is not None
        assert record == await store.record(job.id)
        assert (record.summary.id, record.summary.state, record.summary.attempt) == (job.id, "delivering", 1)
        assert record.request == job.request.event
        assert record.story == (line("", "fetching"), line("fetching", "delivering"))
        assert record.outgoing == (result_of(job),)
        for prefix in ("", "0", "xyz", job.id + "00", job.id[:10] + " ", job.id[:20].upper()):
            unique = sum(other.id.startswith(prefix) for other in made) == 1
            assert (await store.record(prefix) is not None) == (unique and prefix != ""), prefix
        for other in made:
            odd = await store.record(other.id[:19])
            assert odd is not None
            assert odd.summary.id == other.id

    with_store(path, act)


def test_the_record_of_a_refusal(path: Path) -> None:
    event = request_event(named=False)

    async def act(store: SqliteStore) -> None:
        await save(store, refusal(event))
        record = await store.record(event.id[:8])
        assert record is not None
        assert (record.summary.state, record.summary.code, record.summary.component) == ("declined", "no-hash", "")
        assert record.outgoing == (refusal(event).outgoing,)
        assert await store.live_jobs() == []

    with_store(path, act)


def test_summaries_are_the_newest_first_and_can_be_narrowed(path: Path) -> None:
    async def act(store: SqliteStore) -> None:
        await save(store, *(birth(aged(n)) for n in range(5)))
        await save(store, move(replace(aged(2), state=JobState.QUEUED), JobState.FETCHING))
        ids = [summary.id for summary in await store.summaries(limit=3)]
        assert ids == [aged(4).id, aged(3).id, aged(2).id]
        assert [summary.id for summary in await store.summaries(limit=9, state="queued")] == [aged(2).id]
        assert await store.summaries(limit=9, state="done") == []

    with_store(path, act)


def test_what_ended_long_ago_is_forgotten_but_not_while_its_answer_is_under_way(path: Path) -> None:
    done, unsent, young, live = (aged(n) for n in range(4))

    async def act(store: SqliteStore) -> None:
        await save(store, *map(birth, (done, unsent, young, live)))
        answers = [result_of(done), result_of(unsent)]
        await save(
            store,
            *(
                move(replace(j, state=JobState.DELIVERING), JobState.FETCHING, a)
                for j, a in zip((done, unsent), answers, strict=True)
            ),
        )
        await save(
            store,
            move(replace(done, state=JobState.DONE, ended_at=NOW), JobState.DELIVERING),
            move(replace(unsent, state=JobState.DONE, ended_at=NOW), JobState.DELIVERING),
            move(replace(young, state=JobState.FAILED, code="trap", ended_at=NOW + 10), JobState.FETCHING),
        )
        async with store.transaction() as tx:
            await tx.settle([answers[0].event.id])
        assert await store.forget(NOW) == 0
        assert await store.forget(NOW + 1) == 1
        assert await store.record(done.id) is None
        assert {s.id for s in await store.summaries(limit=9)} == {unsent.id, young.id, live.id}
        rows = await store._db.execute_fetchall("SELECT count(*) FROM story WHERE job = ?", (bytes.fromhex(done.id),))
        assert next(iter(rows))[0] == 0
        async with store.transaction() as tx:
            await tx.settle([answers[1].event.id])
        assert await store.forget(NOW + 1) == 1

    with_store(path, act)


def test_no_more_is_forgotten_in_one_go_than_commits_can_wait_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dvm.store.sqlite.FORGET_MAX", 2)
    ended = [replace(aged(n), state=JobState.FAILED, code="trap", ended_at=NOW) for n in range(5)]

    async def act(store: SqliteStore) -> None:
        await save(store, *map(birth, map(aged, range(5))))
        await save(store, *(move(job, JobState.FETCHING) for job in ended))
        assert [await store.forget(NOW + 1) for _ in range(4)] == [2, 2, 1, 0]

    with_store(path, act)


def test_a_stored_request_that_was_altered_is_not_taken_for_a_job(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(store: SqliteStore) -> None:
        await save(store, birth(aged(0)))

    with_store(path, act)
    with closing(sqlite3.connect(path)) as db:
        db.execute('UPDATE jobs SET request = replace(request, \'"content":""\', \'"content":"x"\')')
        db.commit()

    async def read(store: SqliteStore) -> list[Job]:
        await save(store, birth(aged(1)))
        return await store.live_jobs()

    assert with_store(path, read) == [aged(1)]  # the altered one is reported, and keeps nobody waiting
    assert "id-mismatch" in str(vars(caplog.records[-1]))


def test_every_query_is_used() -> None:
    source = "".join(
        (Path(__file__).parents[2] / "dvm" / "store" / name).read_text() for name in ("sqlite.py", "schema.py")
    )
    assert [name for name in queries() if f'"{name}"' not in source] == []

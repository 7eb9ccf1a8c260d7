"""The cache of compiled components on a real disk: nothing altered is ever loaded, nothing half-written exists."""

from __future__ import annotations

import os
import random
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from dvm.sandbox import memfd
from dvm.sandbox.artefacts import About, Artefact, ArtefactStore
from jobs.outcome import Outcome
from tests.support.guests import guest
from tests.support.sandboxes import Bench, with_sandbox

ABOUT = About(run="wasi:cli/run@0.2.0", tables=1, fixed_table_elements=2, largest_fixed_table=2, growable_tables=0)
DIGEST = "ab" * 32
MOST = 1 << 20


def artefact(content: bytes) -> Artefact:
    return Artefact(memfd.sealed("test", [content]), len(content), ABOUT)


def open_store(folder: Path, fingerprint: str = "engine 1", most_bytes: int = MOST) -> ArtefactStore:
    return ArtefactStore(folder, fingerprint, most_bytes=most_bytes)


def content_of(found: Artefact | None) -> bytes | None:
    if found is None:
        return None
    try:
        return memfd.content(found.fd)
    finally:
        found.close()


def keep(store: ArtefactStore, digest: str, content: bytes) -> None:
    made = artefact(content)
    try:
        store.save(digest, made)
    finally:
        made.close()


def test_round_trip(tmp_path: Path) -> None:
    keep(open_store(tmp_path), DIGEST, b"code" * 1000)
    found = open_store(tmp_path).load(DIGEST)
    assert found is not None
    assert found.about == ABOUT
    with pytest.raises(PermissionError):
        os.pwrite(found.fd, b"x", 0)
    assert content_of(found) == b"code" * 1000


def test_missing(tmp_path: Path) -> None:
    assert open_store(tmp_path).load(DIGEST) is None


def test_folder_and_files_are_private(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a")
    keep(store, DIGEST, b"x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    for file in (tmp_path / "a").iterdir():
        assert file.stat().st_mode & 0o777 == 0o600


def test_another_engine_or_processor_does_not_see_it(tmp_path: Path) -> None:
    keep(open_store(tmp_path), DIGEST, b"x")
    assert open_store(tmp_path, fingerprint="engine 2").load(DIGEST) is None


def test_moved_to_another_name_it_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    keep(store, DIGEST, b"x")
    os.rename(store.path(DIGEST), store.path("cd" * 32))
    assert store.load("cd" * 32) is None


def test_another_key_refuses_it(tmp_path: Path) -> None:
    keep(open_store(tmp_path), DIGEST, b"x")
    (tmp_path / "key").unlink()
    assert open_store(tmp_path).load(DIGEST) is None


def test_a_key_of_a_wrong_length_is_an_error_for_the_operator(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(OSError, match="delete it"):
        open_store(tmp_path)


def test_no_flipped_bit_is_loaded(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    dice = random.Random(1)
    keep(store, DIGEST, dice.randbytes(600))
    path = store.path(DIGEST)
    whole = path.read_bytes()
    places = dice.sample(range(8 * len(whole)), 1500)
    for place in places:
        altered = bytearray(whole)
        altered[place // 8] ^= 1 << place % 8
        path.write_bytes(altered)
        assert store.load(DIGEST) is None, place
        assert not path.exists()
    path.write_bytes(whole)
    assert content_of(store.load(DIGEST)) is not None


def test_nothing_cut_or_extended_is_loaded(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    keep(store, DIGEST, b"code" * 50)
    path = store.path(DIGEST)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.load(DIGEST) is None
    path.write_bytes(whole + b"\0")
    assert store.load(DIGEST) is None


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    left = store.path(DIGEST).with_name("x.artefact.1234.part")
    left.write_bytes(b"half")
    open_store(tmp_path)
    assert left.exists(), "somebody may be writing it"
    os.utime(left, (1, 1))
    open_store(tmp_path)
    assert not left.exists()


def test_room_is_made_by_deleting_the_least_recently_used(tmp_path: Path) -> None:
    store = open_store(tmp_path, most_bytes=3_500)
    digests = [sha256(bytes([i])).hexdigest() for i in range(4)]
    for age, digest in enumerate(digests[:3]):
        keep(store, digest, bytes(1_000))
        os.utime(store.path(digest), (100 + age, 100 + age))
    assert content_of(store.load(digests[0])) is not None  # which is a use
    keep(store, digests[3], bytes(1_000))
    assert [store.path(digest).exists() for digest in digests] == [True, False, True, True]


def test_the_newest_stays_even_if_it_is_too_large(tmp_path: Path) -> None:
    store = open_store(tmp_path, most_bytes=100)
    keep(store, DIGEST, bytes(1_000))
    assert content_of(store.load(DIGEST)) == bytes(1_000)


def test_two_writers_and_a_reader(tmp_path: Path) -> None:
    """All three at once, each with a store of its own, on one folder that did not exist."""
    folder = tmp_path / "shared"
    wrong: list[object] = []

    def write(content: bytes) -> None:
        try:
            store = open_store(folder)
            for _ in range(30):
                keep(store, DIGEST, content)
        except BaseException as error:
            wrong.append(error)

    def read() -> None:
        try:
            store = open_store(folder)
            for _ in range(200):
                got = content_of(store.load(DIGEST))
                if got not in (None, b"a" * 5000, b"b" * 70):
                    wrong.append(got)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=write, args=(b"a" * 5000,)), threading.Thread(target=write, args=(b"b" * 70,))]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert content_of(open_store(folder).load(DIGEST)) in (b"a" * 5000, b"b" * 70)


def test_code_that_cannot_be_loaded_is_forgotten(tmp_path: Path) -> None:
    """Compiled for a processor that this one is not, say: genuine, and yet of no use."""

    async def act(bench: Bench) -> None:
        component = guest("hello")
        with monkeypatch.context() as patch:
            patch.setattr(ArtefactStore, "load", lambda *_: artefact(b"no code at all"))
            assert (await bench.run(component)).outcome is Outcome.SANDBOX_FAILURE
        assert (await bench.run(component)).output == b"hello\n"

    monkeypatch = pytest.MonkeyPatch()
    with_sandbox(tmp_path, act)


def test_an_altered_artefact_is_compiled_anew_and_never_run(tmp_path: Path) -> None:
    async def first(bench: Bench) -> None:
        assert (await bench.run(guest("hello"))).output == b"hello\n"

    async def again(bench: Bench) -> None:
        report = await bench.run(guest("hello"))
        assert (report.outcome, report.output) == (Outcome.FINISHED, b"hello\n")

    with_sandbox(tmp_path, first)
    files = sorted((tmp_path / "state" / "artefacts").glob("*.artefact"))
    assert len(files) == 2  # the guest's and the sandbox's own
    for file in files:
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 0x10
        file.write_bytes(data)
    altered = [file.read_bytes() for file in files]
    with_sandbox(tmp_path, again)
    assert all(file.read_bytes() != before for file, before in zip(files, altered, strict=True))

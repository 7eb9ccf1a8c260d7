"""The cache on a real file system: whole files under full names, whatever happens in between."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from dvm.components.cache import SETTLED_NS, Cache
from dvm.components.download import Download

BODY = b"one component"
DIGEST = hashlib.sha256(BODY).hexdigest()


def later_ns() -> int:
    """A clock on which every file is old enough to be recognised."""
    return time.time_ns() + 10 * SETTLED_NS


def cache_in(directory: Path, *, max_bytes: int = 1000) -> Cache:
    return Cache(directory / "cache", max_bytes=max_bytes, now_ns=later_ns)


def names(directory: Path) -> list[str]:
    return sorted(file.name for file in (directory / "cache").iterdir() if file.name != "lock")


def put(cache: Cache, body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    download = Download(cache, digest)
    download.write(body)
    assert download.finish()
    return digest


def test_a_finished_download_is_there_under_its_digest(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    assert put(cache, BODY) == DIGEST
    assert names(tmp_path) == [f"{DIGEST}.wasm"]
    assert cache.path(DIGEST).read_bytes() == BODY
    assert cache.verify(DIGEST) == len(BODY)
    assert cache.total_bytes() == len(BODY)


def test_an_unfinished_download_is_nowhere(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    download = Download(cache, DIGEST)
    download.write(BODY)
    assert cache.verify(DIGEST) is None
    download.discard()
    download.discard()
    assert names(tmp_path) == []
    with pytest.raises(OSError, match="over"):
        download.write(BODY)


def test_bytes_with_another_digest_do_not_get_the_name(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    download = Download(cache, DIGEST)
    download.write(BODY + b"!")
    assert not download.finish()
    download.discard()
    assert names(tmp_path) == []


def test_discarding_after_the_end_takes_nothing_away(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    download = Download(cache, DIGEST)
    download.write(BODY)
    assert download.finish()
    download.discard()
    assert cache.verify(DIGEST) == len(BODY)


def test_discard_waits_for_a_write_that_is_under_way(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    download = Download(cache, DIGEST)
    writing = threading.Event()
    ends: list[str] = []

    def write() -> None:
        try:
            while True:
                download.write(BODY)
                writing.set()
        except OSError as error:
            ends.append(str(error))

    writer = threading.Thread(target=write)
    writer.start()
    writing.wait()
    download.discard()
    writer.join()
    assert ends == ["this download is over"]  # and no bad descriptor: nothing was closed under a write
    assert names(tmp_path) == []


def test_two_writers_of_one_component_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Two processes may share a directory; here, two caches."""
    one, other = cache_in(tmp_path), cache_in(tmp_path)
    first, second = Download(one, DIGEST), Download(other, DIGEST)
    first.write(BODY[:5])
    second.write(BODY[:3])
    third = cache_in(tmp_path)  # a third one starts and must not tidy up what the two are writing
    first.write(BODY[5:])
    second.write(BODY[3:])
    assert first.finish()
    assert second.finish()
    assert names(tmp_path) == [f"{DIGEST}.wasm"]
    for cache in (one, other, third):
        assert cache.verify(DIGEST) == len(BODY)


def test_what_crashes_left_is_removed_at_the_start_and_nothing_else(tmp_path: Path) -> None:
    put(cache_in(tmp_path), BODY)
    directory = tmp_path / "cache"
    (directory / f"{'0' * 64}.0.part").write_bytes(b"half")
    (directory / f"{DIGEST}.17.part").write_bytes(b"half")
    (directory / f"{'1' * 64}.wasm").symlink_to("/etc/passwd")
    (directory / "notes.txt").write_text("the operator's own")
    (directory / "folder").mkdir()
    cache = cache_in(tmp_path)
    assert names(tmp_path) == [f"{DIGEST}.wasm", "folder", "notes.txt"]
    assert cache.verify(DIGEST) == len(BODY)
    assert Path("/etc/passwd").exists()


def test_a_half_written_file_under_a_full_name_is_found_out(tmp_path: Path) -> None:
    """No crash of ours leaves one, but a file system that loses data may."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"{DIGEST}.wasm").write_bytes(BODY[:5])
    cache = cache_in(tmp_path)
    assert cache.recognise(DIGEST) is None
    assert cache.verify(DIGEST) is None
    assert names(tmp_path) == []


def test_a_link_under_a_full_name_is_not_followed(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    target = tmp_path / "elsewhere"
    target.write_bytes(BODY)
    cache.path(DIGEST).symlink_to(target)
    assert cache.verify(DIGEST) is None
    assert names(tmp_path) == []
    assert target.read_bytes() == BODY


def test_a_link_in_place_of_a_recognised_file_is_not_followed(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    put(cache, BODY)
    cache.verify(DIGEST)
    assert cache.recognise(DIGEST) == len(BODY)
    moved = tmp_path / "moved"
    cache.path(DIGEST).rename(moved)
    cache.path(DIGEST).symlink_to(moved)
    assert cache.recognise(DIGEST) is None


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_file_does_not_hang_or_pass(tmp_path: Path, kind: str) -> None:
    cache = cache_in(tmp_path)
    if kind == "directory":
        cache.path(DIGEST).mkdir()
    else:
        os.mkfifo(cache.path(DIGEST))
    assert cache.verify(DIGEST) is None


def test_a_verified_file_is_recognised_until_it_changes(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    put(cache, BODY)
    assert cache.recognise(DIGEST) is None, "what was written is read back once"
    assert cache.verify(DIGEST) == len(BODY)
    assert cache.recognise(DIGEST) == len(BODY)
    status = cache.path(DIGEST).stat()
    cache.path(DIGEST).write_bytes(BODY[::-1])
    os.utime(cache.path(DIGEST), ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.path(DIGEST).stat().st_mtime_ns == status.st_mtime_ns
    # The kernel's own time of change cannot be set back, but its clock may not have moved since.
    if cache.path(DIGEST).stat().st_ctime_ns != status.st_ctime_ns:
        assert cache.recognise(DIGEST) is None
    assert cache.verify(DIGEST) is None


def test_a_file_that_is_too_young_is_not_recognised(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", max_bytes=1000, now_ns=time.time_ns)
    put(cache, BODY)
    os.utime(cache.path(DIGEST))
    assert cache.verify(DIGEST) == len(BODY)
    assert cache.recognise(DIGEST) is None


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, max_bytes=30)
    a, b, c = (put(cache, bytes([n]) * 10) for n in range(3))
    assert cache.verify(a) == 10
    d = put(cache, b"d" * 10)
    assert cache.verify(b) is None
    assert [cache.verify(digest) for digest in (a, c, d)] == [10, 10, 10]
    e = put(cache, b"e" * 25)
    assert names(tmp_path) == [f"{e}.wasm"]
    assert cache.total_bytes() == 25


def test_the_order_of_use_survives_a_restart(tmp_path: Path) -> None:
    first = cache_in(tmp_path)
    a, b = put(first, b"a" * 10), put(first, b"b" * 10)
    for age, digest in enumerate((a, b)):
        os.utime(first.path(digest), ns=(0, age))
    second = cache_in(tmp_path)
    assert second.verify(a) == 10  # now b is the one that was not used for longest
    third = cache_in(tmp_path, max_bytes=25)
    put(third, b"c" * 10)
    assert third.verify(a) == 10
    assert third.verify(b) is None


def test_a_smaller_bound_holds_from_the_start(tmp_path: Path) -> None:
    first = cache_in(tmp_path)
    for n in range(5):
        put(first, bytes([n]) * 10)
    assert cache_in(tmp_path, max_bytes=20).total_bytes() == 20
    assert len(names(tmp_path)) == 2


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_in(tmp_path)
    download = Download(cache, DIGEST)
    download.write(BODY[:5])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    download.write(BODY[5:])
    with pytest.raises(OSError, match="no space"):
        download.finish()
    download.discard()
    assert names(tmp_path) == []
    assert cache.verify(DIGEST) is None


def test_the_directory_is_private(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o755)
    cache_in(tmp_path)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_a_place_that_cannot_be_a_cache_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match="exists"):
        cache_in(tmp_path)

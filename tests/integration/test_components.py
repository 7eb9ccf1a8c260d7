"""The component source against real servers on loopback, honest and otherwise."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dvm.blobs import BlobServer
from dvm.components import ComponentSource, Timeouts
from dvm.gate import Gate, GatePolicy
from dvm.ports import Fetched, FetchFailed
from jobs.component import ComponentRef
from tests.support.blob_server import FAULTS, HONEST, FaultyBlobServer
from tests.support.local_ca import LocalCA

CAP = 40_000
BODY = b"\0asm\x0d\0\x01\0" + hashlib.shake_128(b"a component").digest(30_000)
IMPATIENT = Timeouts(connect_s=2, head_s=0.3, read_s=0.3, source_s=0.6, fetch_s=10)
PATIENT = Timeouts()


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


DIGEST = digest_of(BODY)


def ref(*hints: str, body: bytes = BODY, size: int | None = None) -> ComponentRef:
    return ComponentRef(digest_of(body), size, hints)


def local_gate() -> Gate:
    return Gate(GatePolicy(frozenset({"127.0.0.1"})))


def source_in(
    directory: Path, *, timeouts: Timeouts = PATIENT, mirrors: Sequence[str] = (), **options: Any
) -> ComponentSource:
    size_cap = options.pop("size_cap", CAP)
    return ComponentSource(
        directory / "cache", local_gate(), size_cap=size_cap, timeouts=timeouts, mirrors=mirrors, **options
    )


def files_in(directory: Path) -> list[str]:
    return sorted(file.name for file in (directory / "cache").iterdir() if file.name != "lock")


def check_fetched(result: Fetched | FetchFailed, body: bytes = BODY) -> Path:
    assert isinstance(result, Fetched), result
    assert result.path.read_bytes() == body
    assert result.size == len(body)
    return result.path


def check_failed(result: Fetched | FetchFailed, code: str) -> str:
    assert isinstance(result, FetchFailed), result
    assert result.code == code
    assert result.sentence.isprintable()
    assert len(result.sentence) < 600
    return result.sentence


# One good source


@pytest.mark.parametrize("manner", HONEST)
def test_the_bytes_arrive_however_they_are_framed(tmp_path: Path, manner: str) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/any/where?x=1", BODY, manner)
            path = check_fetched(await source_in(tmp_path).fetch(ref(url)))
            assert path.stat().st_mode & 0o777 == 0o600
            assert path.parent.stat().st_mode & 0o777 == 0o700
            assert files_in(tmp_path) == [f"{DIGEST}.wasm"]

    asyncio.run(scene())


def test_the_request_is_plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")

    async def scene() -> None:
        async with FaultyBlobServer() as server:
            check_fetched(await source_in(tmp_path).fetch(ref(server.put("/x", BODY))))
            line, *headers = server.seen[0].rstrip().split("\r\n")
            assert line == "GET /x HTTP/1.1"
            fields = dict(header.lower().split(": ") for header in headers)
            assert fields["host"] == f"127.0.0.1:{server.port}"
            assert fields["accept-encoding"] == "identity"
            assert set(fields) == {"host", "user-agent", "accept", "accept-encoding", "connection"}

    asyncio.run(scene())


def test_our_own_blob_server_serves_our_own_fetcher(tmp_path: Path) -> None:
    async def scene() -> None:
        async with BlobServer([BODY]) as base:
            check_fetched(await source_in(tmp_path).fetch(ref(f"{base}/{DIGEST}.wasm")))

    asyncio.run(scene())


# Faults


FAULT_CODES = {
    "corrupt": "hash-mismatch",
    "short": "hash-mismatch",
    "padded": "hash-mismatch",
    "cut": "fetch-failed",
    "cut-chunked": "fetch-failed",
    "cut-without-length": "hash-mismatch",
    "length-too-small": "hash-mismatch",
    "length-too-large": "fetch-failed",
    "length-enormous": "component-too-large",
    "length-negative": "fetch-failed",
    "lengths-differ": "fetch-failed",
    "endless": "component-too-large",
    "endless-chunks": "component-too-large",
    "tiny-chunks": "fetch-failed",
    "slow": "fetch-timeout",
    "hang": "fetch-timeout",
    "hang-in-body": "fetch-timeout",
    "gzip": "fetch-failed",
    "gzip-transfer": "fetch-failed",
    "not-found": "not-found",
    "gone": "not-found",
    "error": "fetch-failed",
    "partial": "fetch-failed",
    "redirect": "fetch-failed",
    "huge-head": "fetch-failed",
    "endless-head": "fetch-failed",
    "head-drip": "fetch-timeout",
    "endless-hints": "fetch-failed",
    "switch": "fetch-failed",
    "silence": "fetch-failed",
    "garbage": "fetch-failed",
    "bare-bytes": "fetch-failed",
    "reset": "fetch-failed",
}


def test_every_fault_has_an_expectation() -> None:
    assert set(FAULT_CODES) == set(FAULTS) - set(HONEST)


@pytest.mark.parametrize(("fault", "code"), FAULT_CODES.items(), ids=FAULT_CODES)
def test_a_faulty_source_fails_with_its_code_and_the_next_is_asked(tmp_path: Path, fault: str, code: str) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as bad, FaultyBlobServer() as good:
            source = source_in(tmp_path, timeouts=IMPATIENT)
            bad_url = bad.put("/x", BODY, fault)
            bad.put("/elsewhere", BODY)  # where the redirect leads
            check_failed(await source.fetch(ref(bad_url)), code)
            assert files_in(tmp_path) == []
            check_fetched(await source.fetch(ref(bad_url, good.put("/y", BODY))))
            assert bad.paths == ["/x", "/x"]
            assert files_in(tmp_path) == [f"{DIGEST}.wasm"]

    asyncio.run(scene())


def test_nobody_listens(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
        check_failed(await source_in(tmp_path).fetch(ref(url)), "fetch-failed")

    asyncio.run(scene())


def test_a_server_that_was_too_slow_is_not_asked_again_in_the_same_fetch(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            hints = [server.put(f"/{n}", BODY, "hang") for n in range(5)]
            result = await source_in(tmp_path, timeouts=IMPATIENT).fetch(ref(*hints))
            check_failed(result, "fetch-timeout")
            assert server.paths == ["/0"]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("fault", "timeouts"),
    [
        ("head-drip", Timeouts(head_s=0.2)),
        ("hang", Timeouts(head_s=0.2)),
        ("hang-in-body", Timeouts(read_s=0.2)),
        ("slow", Timeouts(source_s=0.2)),
    ],
)
def test_each_wait_has_an_end_of_its_own(tmp_path: Path, fault: str, timeouts: Timeouts) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY, fault)
            check_failed(await source_in(tmp_path, timeouts=timeouts).fetch(ref(url)), "fetch-timeout")

    asyncio.run(scene())


def test_a_fetch_as_a_whole_has_an_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY, "hang")
            timeouts = Timeouts(fetch_s=0.2)
            check_failed(await source_in(tmp_path, timeouts=timeouts).fetch(ref(url)), "fetch-timeout")
            assert files_in(tmp_path) == []

    asyncio.run(scene())


# Sizes


@pytest.mark.parametrize("manner", ["plain", "no-length", "chunked"])
@pytest.mark.parametrize(("over", "code"), [(-1, None), (0, None), (1, "component-too-large")])
def test_the_cap_is_exact(tmp_path: Path, manner: str, over: int, code: str | None) -> None:
    body = bytes(CAP + over)

    async def scene() -> None:
        async with FaultyBlobServer() as server:
            result = await source_in(tmp_path).fetch(ref(server.put("/x", body, manner), body=body))
            if code is None:
                check_fetched(result, body)
            else:
                check_failed(result, code)
                assert files_in(tmp_path) == []

    asyncio.run(scene())


def test_the_empty_component_is_fetched_like_any_other(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            check_fetched(await source_in(tmp_path).fetch(ref(server.put("/x", b""), body=b"")), b"")

    asyncio.run(scene())


@pytest.mark.parametrize("manner", ["plain", "no-length", "chunked"])
@pytest.mark.parametrize(("off", "code"), [(-1, "size-mismatch"), (0, None), (1, "size-mismatch")])
def test_a_stated_size_is_exact(tmp_path: Path, manner: str, off: int, code: str | None) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            server.put(f"/{DIGEST}.wasm", BODY, manner)
            hint = f"blossom:{DIGEST}.wasm?xs={server.base}&sz={len(BODY) + off}"
            by_hint = await source_in(tmp_path).fetch(ref(hint))
            by_request = await source_in(tmp_path).fetch(ref(hint, size=len(BODY) + off))
            for result in (by_hint, by_request):
                if code is None:
                    check_fetched(result)
                else:
                    check_failed(result, code)

    asyncio.run(scene())


def test_a_size_stated_above_the_cap_is_not_even_fetched(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
            check_failed(await source_in(tmp_path).fetch(ref(url, size=CAP + 1)), "component-too-large")
            hint = f"blossom:{DIGEST}.wasm?xs={server.base}&sz={CAP + 1}"
            check_failed(await source_in(tmp_path).fetch(ref(hint)), "component-too-large")
            assert server.connections == 0

    asyncio.run(scene())


def test_a_cached_component_still_obeys_the_cap_and_the_stated_size(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
            source = source_in(tmp_path)
            check_fetched(await source.fetch(ref(url)))
            check_failed(await source.fetch(ref(url, size=len(BODY) - 1)), "size-mismatch")
            stricter = source_in(tmp_path, size_cap=len(BODY) - 1)
            check_failed(await stricter.fetch(ref(url)), "component-too-large")

    asyncio.run(scene())


# Where to look


def test_hints_come_before_servers_before_mirrors(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as first, FaultyBlobServer() as second, FaultyBlobServer() as mirror:
            mirror.put(f"/{DIGEST}", BODY)
            source = source_in(tmp_path, mirrors=[mirror.base])
            hints = (f"server:{second.base}/", f"blossom:{DIGEST}.bin?xs={first.base}", f"{second.base}/a/b")
            check_fetched(await source.fetch(ref(*hints)))
            assert first.paths == [f"/{DIGEST}.bin"]
            assert second.paths == ["/a/b", f"/{DIGEST}.wasm", f"/{DIGEST}"]
            assert mirror.paths == [f"/{DIGEST}.wasm", f"/{DIGEST}"]

    asyncio.run(scene())


def test_no_source(tmp_path: Path) -> None:
    check_failed(asyncio.run(source_in(tmp_path).fetch(ref())), "no-source")


def test_the_most_telling_failure_is_told_and_the_sources_are_named(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as one, FaultyBlobServer() as other:
            hints = (one.put("/x", BODY, "not-found"), other.put("/x", BODY, "corrupt"))
            told = check_failed(await source_in(tmp_path).fetch(ref(*hints)), "hash-mismatch")
            assert f"127.0.0.1:{one.port} does not have it" in told
            assert f"127.0.0.1:{other.port} sent bytes with another sha256" in told
            assert DIGEST[:8] in told

    asyncio.run(scene())


# The gate stands before every source


async def _resolve_private(host: str) -> list[str]:
    return {"nas.home.example": ["192.168.1.7"], "evil.example": ["127.0.0.1"]}.get(host, [])


def test_private_and_missing_hosts_cannot_be_told_apart(tmp_path: Path) -> None:
    async def scene() -> None:
        gate = Gate(GatePolicy(), resolve=_resolve_private)
        source = ComponentSource(tmp_path / "cache", gate, size_cap=CAP)
        told = [
            check_failed(await source.fetch(ref(f"https://{host}/x")), "fetch-refused").replace(host, "HOST")
            for host in ("nas.home.example", "evil.example", "nowhere.example", "10.0.0.1", "[::1]")
        ]
        assert len(set(told)) == 1
        assert "192.168" not in told[0]
        assert "private" not in told[0]

    asyncio.run(scene())


def test_loopback_is_refused_unless_the_operator_names_it(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
            for local in (frozenset[str](), frozenset({"127.0.0.1:1"}), frozenset({"::1"})):
                source = ComponentSource(tmp_path / "cache", Gate(GatePolicy(local)), size_cap=CAP)
                check_failed(await source.fetch(ref(url)), "fetch-refused")
            assert server.connections == 0
            named = Gate(GatePolicy(frozenset({f"127.0.0.1:{server.port}"})))
            check_fetched(await ComponentSource(tmp_path / "cache", named, size_cap=CAP).fetch(ref(url)))

    asyncio.run(scene())


POISON_HINTS = [
    "",
    "blossom:",
    "blossom:zz.wasm?xs=a.example",
    "blossom:" + "0" * 64 + ".wasm?xs=a.example",
    f"blossom:{DIGEST}.wasm?xs=&sz=-1",
    f"blossom:{DIGEST}.wasm?xs=a.example&sz=９",
    f"blossom:{DIGEST}.wasm?xs=a.example&sz=1&sz=2",
    f"blossom:{DIGEST}.wasm?xs=%00%ff&xs=user@a.example&xs=file:///etc",
    "server:",
    "server:file:///etc/passwd",
    "server:https://a.example/\udc80",
    "http://a.example/x",
    "https://user@a.example/",
    "https://2130706433/x",
    "\0",
    "x" * 100_000,
]


@pytest.mark.parametrize("hint", POISON_HINTS, ids=[ascii(hint)[:40] for hint in POISON_HINTS])
def test_a_poisonous_hint_fails_alone(tmp_path: Path, hint: str) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            gate = Gate(GatePolicy(frozenset({"127.0.0.1"})), resolve=_resolve_private)
            source = ComponentSource(tmp_path / "cache", gate, size_cap=CAP)
            alone = await source.fetch(ref(hint))
            assert isinstance(alone, FetchFailed)
            assert alone.code in ("fetch-refused", "size-mismatch")
            assert alone.sentence.isprintable()
            check_fetched(await source.fetch(ref(hint, server.put("/x", BODY))))

    asyncio.run(scene())


# The cache


def test_what_is_cached_is_not_fetched_again_even_after_a_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
            source = source_in(tmp_path)
            for _ in range(3):
                check_fetched(await source.fetch(ref(url)))
            check_fetched(await source_in(tmp_path).fetch(ref()))
            assert server.connections == 1

    asyncio.run(scene())


@pytest.mark.parametrize(
    "altered", [BODY[:-1] + bytes([BODY[-1] ^ 1]), BODY[:-1], BODY + b"\0", b""], ids=["bit", "short", "long", "empty"]
)
@pytest.mark.parametrize("in_place", [True, False])
def test_an_altered_file_is_never_used(tmp_path: Path, altered: bytes, in_place: bool) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
            source = source_in(tmp_path)
            path = check_fetched(await source.fetch(ref(url)))
            check_fetched(await source.fetch(ref()))
            if in_place:
                path.write_bytes(altered)
            else:
                other = tmp_path / "other"
                other.write_bytes(altered)
                other.replace(path)
            check_failed(await source.fetch(ref()), "no-source")
            assert not path.exists()
            check_fetched(await source.fetch(ref(url)))
            assert server.connections == 2

    asyncio.run(scene())


def test_a_file_that_vanished_is_fetched_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            url = server.put("/x", BODY)
            source = source_in(tmp_path)
            check_fetched(await source.fetch(ref(url))).unlink()
            check_failed(await source.fetch(ref()), "no-source")
            check_fetched(await source.fetch(ref(url)))

    asyncio.run(scene())


def test_our_own_disk_failing_is_not_the_sources_fault_and_passes(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server, FaultyBlobServer() as spare:
            source = source_in(tmp_path)
            hints = ref(server.put("/x", BODY), spare.put("/x", BODY))
            shutil.rmtree(tmp_path / "cache")
            told = check_failed(await source.fetch(hints), "fetch-failed")
            assert "this node could not store" in told
            assert spare.connections == 0
            (tmp_path / "cache").mkdir()
            check_fetched(await source.fetch(hints))

    asyncio.run(scene())


def test_a_cache_too_small_to_be_useful_is_a_mistake_of_the_operator(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="8 components"):
        source_in(tmp_path, cache_bytes=8 * CAP - 1)


# Many at a time


def test_calls_for_one_digest_share_one_download(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server, asyncio.TaskGroup() as tasks:
            url = server.put("/x", BODY, "gated")
            source = source_in(tmp_path)
            calls = [tasks.create_task(source.fetch(ref(url))) for _ in range(20)]
            await server.requested()
            server.gate.set()
            for call in calls:
                check_fetched(await call)
            assert server.connections == 1

    asyncio.run(scene())


def test_equal_calls_share_a_failure_and_better_ones_do_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server, asyncio.TaskGroup() as tasks:
            bad = server.put("/bad", BODY[:-1], "gated")
            good = server.put("/good", BODY)
            source = source_in(tmp_path)
            calls = [tasks.create_task(source.fetch(ref(bad))) for _ in range(10)]
            better = tasks.create_task(source.fetch(ref(good)))
            await server.requested()
            server.gate.set()
            for call in calls:
                check_failed(await call, "hash-mismatch")
            check_fetched(await better)
            assert server.paths == ["/bad", "/good"]

    asyncio.run(scene())


def test_a_failure_from_before_a_call_is_not_its_answer(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server, asyncio.TaskGroup() as tasks:
            source = source_in(tmp_path)
            bad = ref(server.put("/bad", BODY, "corrupt"))
            first = tasks.create_task(source.fetch(bad))
            other = tasks.create_task(source.fetch(ref(server.put("/other", BODY, "gated"))))
            check_failed(await first, "hash-mismatch")
            await server.requested(2)  # the other call is at work, and remembers what the first one met
            late = tasks.create_task(source.fetch(bad))
            await asyncio.sleep(0)
            server.gate.set()
            check_fetched(await other)
            check_fetched(await late)

    asyncio.run(scene())


def test_a_failure_is_not_remembered(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server:
            source = source_in(tmp_path)
            check_failed(await source.fetch(ref(server.put("/x", BODY, "error"))), "fetch-failed")
            check_fetched(await source.fetch(ref(server.put("/x", BODY))))

    asyncio.run(scene())


def test_a_cancelled_call_leaves_nothing_and_the_next_takes_over(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server, asyncio.TaskGroup() as tasks:
            url = server.put("/x", BODY, "hang-in-body")
            source = source_in(tmp_path)
            first = tasks.create_task(source.fetch(ref(url)))
            await server.requested()
            second = tasks.create_task(source.fetch(ref(server.base + "/y")))
            server.put("/y", BODY)
            await asyncio.sleep(0)
            first.cancel()
            check_fetched(await second)
            assert first.cancelled()
            assert files_in(tmp_path) == [f"{DIGEST}.wasm"]

    asyncio.run(scene())


@pytest.mark.parametrize(("per_host", "total", "most"), [(2, 4, 2), (9, 3, 3)])
def test_downloads_at_a_time_are_bounded(tmp_path: Path, per_host: int, total: int, most: int) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as server, asyncio.TaskGroup() as tasks:
            source = source_in(tmp_path, downloads=total, downloads_per_host=per_host)
            bodies = [bytes([n]) * 1000 for n in range(12)]
            calls = [
                tasks.create_task(source.fetch(ref(server.put(f"/{n}", body, "gated"), body=body)))
                for n, body in enumerate(bodies)
            ]
            await server.requested(most)
            server.gate.set()
            for call, body in zip(calls, bodies, strict=True):
                check_fetched(await call, body)
            assert server.most_at_once == most

    asyncio.run(scene())


def test_a_slow_host_does_not_hold_up_another(tmp_path: Path) -> None:
    async def scene() -> None:
        async with FaultyBlobServer() as slow, asyncio.TaskGroup() as tasks:
            secure = Secure(tmp_path)
            async with secure.server:
                source = secure.source(downloads=3, downloads_per_host=2)
                stuck = [
                    tasks.create_task(source.fetch(ref(slow.put(f"/{n}", bytes([n]), "hang"), body=bytes([n]))))
                    for n in range(6)
                ]
                await slow.requested(2)
                check_fetched(await source.fetch(ref(secure.put())))
                assert len(slow.seen) == 2
                for task in stuck:
                    task.cancel()

    asyncio.run(scene())


# TLS


class Secure:
    """A TLS server on loopback that calls itself `blobs.example`, and the ways to reach it."""

    def __init__(self, directory: Path, *, certified: str = "blobs.example") -> None:
        self.ca = LocalCA(directory)
        self.server = FaultyBlobServer(tls=self.ca.server(certified))
        self.directory = directory

    async def _resolve(self, host: str) -> list[str]:
        return ["127.0.0.1"]

    def source(self, ca: LocalCA | None = None, timeouts: Timeouts = PATIENT, **options: Any) -> ComponentSource:
        return ComponentSource(
            self.directory / "cache",
            Gate(GatePolicy(frozenset({"127.0.0.1"})), resolve=self._resolve),
            size_cap=CAP,
            timeouts=timeouts,
            tls=(ca or self.ca).client(),
            **options,
        )

    def put(self, answer: str = "plain") -> str:
        self.server.put("/x", BODY, answer)
        return f"https://blobs.example:{self.server.port}/x"


@pytest.mark.parametrize("manner", HONEST)
def test_tls_with_a_certificate_for_the_name(tmp_path: Path, manner: str) -> None:
    async def scene() -> None:
        secure = Secure(tmp_path)
        async with secure.server:
            check_fetched(await secure.source().fetch(ref(secure.put(manner))))
            assert f"Host: blobs.example:{secure.server.port}\r\n".lower() in secure.server.seen[0].lower()

    asyncio.run(scene())


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        secure = Secure(tmp_path, certified="other.example")
        async with secure.server:
            check_failed(await secure.source().fetch(ref(secure.put())), "fetch-failed")
            assert secure.server.seen == []

    asyncio.run(scene())


def test_a_certificate_of_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        secure = Secure(tmp_path)
        async with secure.server:
            check_failed(await secure.source(LocalCA(tmp_path)).fetch(ref(secure.put())), "fetch-failed")
            assert secure.server.seen == []

    asyncio.run(scene())


def test_the_systems_authorities_do_not_know_ours(tmp_path: Path) -> None:
    async def scene() -> None:
        secure = Secure(tmp_path)
        async with secure.server:
            gate = Gate(GatePolicy(frozenset({"127.0.0.1"})), resolve=secure._resolve)
            source = ComponentSource(tmp_path / "cache", gate, size_cap=CAP)
            check_failed(await source.fetch(ref(secure.put())), "fetch-failed")

    asyncio.run(scene())


@pytest.mark.parametrize("fault", ["cut-without-length", "cut", "reset"])
def test_a_body_cut_off_under_tls_is_never_used(tmp_path: Path, fault: str) -> None:
    async def scene() -> None:
        secure = Secure(tmp_path)
        async with secure.server:
            result = await secure.source().fetch(ref(secure.put(fault)))
            assert isinstance(result, FetchFailed)
            assert result.code in ("fetch-failed", "hash-mismatch")
            assert files_in(tmp_path) == []

    asyncio.run(scene())


def test_a_tls_handshake_that_never_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        release = asyncio.Event()

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await release.wait()
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            source = Secure(tmp_path).source(timeouts=Timeouts(connect_s=0.2))
            check_failed(await source.fetch(ref(f"https://blobs.example:{port}/x")), "fetch-timeout")
            release.set()
            await asyncio.sleep(0)

    asyncio.run(scene())

# SPDX-License-Identifier: Apache-2.0
"""Measurements with a bar each: faults, kills and crowds, and what they cost in time, bytes and correctness.

A bar on correctness decides the exit code; a bar on time is printed as a ratio, for the reader to judge.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import hashlib
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support"), str(FOLDER.parent / "integration")]

import image_maker  # noqa: E402
from content import Content  # noqa: E402
from faults import POSITIONS, Fault  # noqa: E402
from fault_server import FaultServer, Site  # noqa: E402
from image_maker import Image, Layer  # noqa: E402
from lib.daemon import Daemon  # noqa: E402
from lib.samples import HOST_PLATFORM  # noqa: E402
from lib.store import check_store, list_partials  # noqa: E402
from lib.wait import wait_until  # noqa: E402
from run_matrix import SCALED, running_daemon  # noqa: E402
from stage import make_big_layer  # noqa: E402
from wire import Reply, Request  # noqa: E402

MIB = 1 << 20
GIB = 1 << 30
CACHE = Path.home() / ".cache/lighterd-bench"
RATE = 25_000_000


@dataclasses.dataclass
class Row:
    """One figure beside its bar. `met` is None for what is only shown."""

    what: str
    bar: str
    measured: str
    met: bool | None
    is_timing: bool = False


class Report:
    def __init__(self, title: str):
        self.title = title
        self.rows: list[Row] = []

    def add(self, what: str, bar: str, measured: str, met: bool | None, is_timing: bool = False) -> None:
        self.rows.append(Row(what, bar, measured, met, is_timing))
        print(f"  {what}: {measured} (bar: {bar})", file=sys.stderr, flush=True)

    def print(self) -> int:
        print(f"\n{self.title}\n\n| | bar | measured | |\n|---|---|---|---|")
        for row in self.rows:
            verdict = "" if row.met is None else "met" if row.met else "**not met**"
            print(f"| {row.what} | {row.bar} | {row.measured} | {verdict} |")
        return 1 if any(row.met is False and not row.is_timing for row in self.rows) else 0


def add_image(site: Site, layers: Sequence[tuple[Layer, Content | None]], repository: str) -> tuple[str, Image]:
    image = image_maker.make_image([layer for layer, _ in layers], HOST_PLATFORM, labels={"repository": repository})
    contents = {layer.digest: content for layer, content in layers if content}
    return site.add(image, repository, contents=contents), image


def gigabyte() -> tuple[Layer, None]:
    return image_maker.make_bulk_layer(CACHE, GIB, seed=20), None


def is_whole(daemon: Daemon, name: str, image: Image) -> bool:
    """Visible under its name, and every byte of it is right on disk."""
    answer = daemon.api.get(f"/images/{name}/json")
    if answer.status != 200 or answer.json()["Id"] != image.digest:
        return False
    for blob in (image.manifest, *image.blobs):
        algorithm, _, digits = blob.digest.partition(":")
        with (daemon.data_root / "blobs" / algorithm / digits).open("rb") as file:
            if hashlib.file_digest(file, algorithm).hexdigest() != digits:
                return False
    return True


class Pull(threading.Thread):
    """A client in the background."""

    def __init__(self, daemon: Daemon, name: str, site: Site):
        super().__init__(daemon=True)
        self._arguments = (daemon, name, site)
        self.error: str | None = "did not end"
        self.seconds = 0.0
        self.ended_at = 0.0
        self.start()

    def run(self) -> None:
        daemon, name, site = self._arguments
        began = time.monotonic()
        try:
            answer = daemon.api.pull(name, auth=site.auth)
            self.error = answer.message if answer.status >= 400 else answer.error
        except (OSError, ValueError) as problem:
            self.error = repr(problem)
        except Exception as problem:  # http.client has many  # pylint: disable=broad-except
            self.error = repr(problem)
        self.ended_at = time.monotonic()
        self.seconds = self.ended_at - began

    def wait(self, seconds: float) -> "Pull":
        self.join(seconds)
        return self


def wait_sent(site: Site, size: float, seconds: float = 120) -> None:
    wait_until(lambda: site.sent_bytes() >= size, f"{size:.0f} bytes are on their way", seconds)


# ---- cases ----------------------------------------------------------------------------------------------------------

class Cases:
    """One fault each: an image of one layer of 64 MiB, a fresh store for each case, default timers."""

    SIZE = 64 * MIB

    def __init__(self, binary: Path):
        self._binary = binary
        self._server = FaultServer()
        self.report = Report("Cases A-H, L and N, one layer of 64 MiB, default timers")

    def run(self, only: str) -> int:
        for letter in only:
            method: Callable[[Daemon, str], None] = getattr(self, f"_case_{letter.lower()}")
            with running_daemon(self._binary, {}) as (daemon, _):
                method(daemon, letter)
                try:
                    wait_until(daemon.answers, "the daemon answers")
                    check_store(daemon.data_root)
                except AssertionError as problem:
                    self.report.add(f"{letter}: the store afterwards", "sound", str(problem)[:120], False)
        self._server.stop()
        return self.report.print()

    def _site(self, **more: object) -> tuple[Site, str, Image]:
        site = Site(self._server, "cases", **more)
        name, image = add_image(site, [make_big_layer("cases", self.SIZE)], "demo/app")
        return site, name, image

    def _finish(self, letter: str, what: str, daemon: Daemon, site: Site, name: str, image: Image) -> None:
        """The second pull, after something happened to the first."""
        before = site.sent_bytes()
        pull = Pull(daemon, name, site).wait(120)
        layer = image.layers[0]
        share = site.coverage(layer.digest).total / layer.size
        good = pull.error is None and is_whole(daemon, name, image)
        self.report.add(f"{letter}: {what}", "resumes; layer bytes on the wire <= 1.05 x size",
                        f"{'resumed' if good else pull.error}, {share:.3f} x size, "
                        f"{(site.sent_bytes() - before) / MIB:.1f} MiB after it, {pull.seconds:.1f} s",
                        good and share <= 1.05)
        site.close()

    def _case_a(self, daemon: Daemon, letter: str) -> None:
        site, name, image = self._site(rate=RATE, auth=None)
        stream = daemon.api.start_pull(name)
        wait_sent(site, 0.47 * self.SIZE)
        stream.close()
        wait_until(lambda: not site.registry.is_busy(), "the transfer stops", 5)
        self._finish(letter, "client drops the pull at 47 %", daemon, site, name, image)

    def _case_b(self, daemon: Daemon, letter: str) -> None:
        def cut(request: Request, reply: Reply) -> Fault | None:
            if request.endpoint == "layer" and reply.length > 12_000_000:
                return Fault("cut-after", "layer", value=12_000_000)
            return None
        site, name, image = self._site(script=cut)
        self._finish(letter, "server cuts TCP every 12 MB", daemon, site, name, image)

    def _case_c(self, daemon: Daemon, letter: str) -> None:
        site, name, image = self._site(rate=RATE)
        pull = Pull(daemon, name, site)
        wait_sent(site, 0.5 * self.SIZE)
        daemon.kill()
        pull.wait(5)
        daemon.start()
        self._finish(letter, "kill -9 in the middle, restart", daemon, site, name, image)

    def _stalling(self) -> tuple[Site, str, Image, threading.Event, list[float]]:
        healed = threading.Event()
        stalled: list[float] = []

        def stall(request: Request, reply: Reply) -> Fault | None:
            if request.endpoint != "layer" or healed.is_set():
                return None
            stalled.append(time.monotonic())
            return Fault("stall-after", "layer", value=4 * MIB)
        return *self._site(script=stall), healed, stalled

    def _case_d(self, daemon: Daemon, letter: str) -> None:
        site, name, image, healed, stalled = self._stalling()
        pull = Pull(daemon, name, site)
        wait_until(lambda: stalled, "the registry is silent", 10)
        silent_since = stalled[0]

        def reconnects() -> list[float]:
            return [request.came - silent_since for request in site.requests("layer")
                    if request.came > silent_since + 2]
        try:
            wait_until(reconnects, "a new connection", 40)
        except AssertionError:
            pass
        found = min(reconnects(), default=999)
        healed.set()
        healed_at = time.monotonic()
        pull.wait(60)
        after = pull.ended_at - healed_at if pull.ended_at else 60
        good = pull.error is None and is_whole(daemon, name, image)
        self.report.add(f"{letter}: registry stops sending, socket open", "noticed in <= 10 s; done <= 15 s after it "
                        "recovers", f"new connections after {found:.1f} s; {'done' if good else pull.error} "
                        f"{after:.1f} s after recovery", good and found <= 11.5 and after <= 15)
        site.close()

    def _case_e(self, daemon: Daemon, letter: str) -> None:
        site, name, image, healed, stalled = self._stalling()
        first = Pull(daemon, name, site)
        wait_until(lambda: stalled, "the registry is silent", 10)
        time.sleep(1)  # what was asked for before the recovery stays silent for ever
        healed.set()
        second = Pull(daemon, name, site).wait(60)
        first.wait(30)
        good = first.error is None and second.error is None and is_whole(daemon, name, image)
        self.report.add(f"{letter}: a second client joins a stalled pull, registry healthy again",
                        "second client done in <= 15 s", f"{'both done' if good else (first.error, second.error)}, "
                        f"second after {second.seconds:.1f} s, first after {first.seconds:.1f} s",
                        good and second.seconds <= 15)
        site.close()

    def _case_f(self, daemon: Daemon, letter: str) -> None:
        for count in (1, 5, 1000):
            left = [count]

            def fail(request: Request, reply: Reply, left: list[int] = left) -> Fault | None:
                if request.endpoint != "layer" or left[0] == 0:
                    return None
                left[0] -= 1
                return Fault("status", "layer", value=503)
            site = Site(self._server, "cases", script=fail)
            layer = image_maker.make_layer({"file": random.Random(count).randbytes(MIB)})
            name, image = add_image(site, [(layer, None)], "demo/app")
            pull = Pull(daemon, name, site).wait(240)
            tries = len(site.requests("layer"))
            if count < 1000:
                good = pull.error is None and is_whole(daemon, name, image)
                bar = "succeeds"
            else:
                good = pull.error is not None and "503" in pull.error and tries >= 6
                bar = ">= 6 tries, then an error that names it"
            self.report.add(f"{letter}: {count if count < 1000 else 'nothing but'} 503 of a layer", bar,
                            f"{'succeeded' if pull.error is None else pull.error[:90]}; {tries} tries in "
                            f"{pull.seconds:.1f} s", good)
            site.close()

    def _case_g(self, daemon: Daemon, letter: str) -> None:
        site, name, image = self._site(faults=(Fault("retry-after", "first", value="1"),))
        pull = Pull(daemon, name, site).wait(60)
        limit = next(request for request in site.requests("first") if request.status == 429)
        after = min(request.came - limit.answered for request in site.registry.log if request.came > limit.answered)
        self.report.add(f"{letter}: 429 with Retry-After: 1 on the manifest", "waits >= 1 s, then succeeds",
                        f"asked again after {after:.2f} s, {'succeeded' if pull.error is None else pull.error}",
                        pull.error is None and after >= 0.99)
        site.close()

    def _case_h(self, daemon: Daemon, letter: str) -> None:
        site, name, image = self._site(rate=RATE)
        pull = Pull(daemon, name, site)
        wait_sent(site, 0.5 * self.SIZE)
        daemon.kill()
        pull.wait(5)
        torn = self._tear(daemon.data_root)
        daemon.start()
        self._finish(letter, f"8 bytes of the partial torn ({torn})", daemon, site, name, image)

    @staticmethod
    def _tear(data_root: Path) -> str:
        partials = list_partials(data_root)
        if not partials:
            return "there is no partial"
        path = data_root / "ingest" / f"{next(iter(partials))}.part"
        # The last bytes that are not zero: what arrived last before the power went.
        data = path.read_bytes().rstrip(b"\0")
        with path.open("r+b") as file:
            file.seek(max(0, len(data) - 8))
            file.write(bytes(8))
        return f"at {max(0, len(data) - 8) / MIB:.1f} MiB"

    def _case_l(self, daemon: Daemon, letter: str) -> None:
        site, name, image = self._site(rate=RATE)
        pull = Pull(daemon, name, site).wait(120)
        ranges = site.requests("layer")
        most = max(sum(one.came <= other.came < one.answered for one in ranges) for other in ranges)
        speed = self.SIZE / pull.seconds / 1e6
        self.report.add(f"{letter}: a large layer, 25 MB/s for each connection", "several ranges at once",
                        f"{most} at once, {len(ranges)} requests, {speed:.0f} MB/s", pull.error is None and most > 1)
        site.close()

    def _case_n(self, daemon: Daemon, letter: str) -> None:
        site, name, image = self._site(rate=RATE // 4, auth=None)
        stream = daemon.api.start_pull(name)
        seen: dict[str, list[tuple[float, dict]]] = {}
        for record in stream.records():
            if record.get("status") in ("Downloading", "Verifying Checksum", "Extracting"):
                seen.setdefault(record["status"] + record["id"], []).append(
                    (time.monotonic(), record.get("progressDetail") or {}))
        stream.close()
        loading = [detail for key, group in seen.items() if not key.startswith("Verifying") for _, detail in group]
        whole = sum("current" in detail and detail.get("total", 0) > 0 for detail in loading)
        busiest = max((sum(start <= moment < start + 1 for moment, _ in group)
                       for group in seen.values() for start, _ in group), default=0)
        self.report.add(f"{letter}: progress records", "each has current and total; <= 10 a second per layer",
                        f"{whole} of {len(loading)} have both; at most {busiest} in a second",
                        bool(loading) and whole == len(loading) and busiest <= 11)
        site.close()


# ---- faults ---------------------------------------------------------------------------------------------------------

CHAOS_KINDS = ("rst", "head-rst", "cut", "stall", "head-fin", "status")
MOST_IN_A_ROW = 5  # the sixth try is the last that is promised


class Chaos:
    """Three requests in ten meet a fault; the same ones in each run."""

    def __init__(self, seed: int, share: float = 0.3):
        self._seed, self._share = seed, share
        self._counts: dict[str, int] = {}
        self._row: dict[str, int] = {}
        self._lock = threading.Lock()
        self.injected = self.requests = 0

    def __call__(self, request: Request, reply: Reply) -> Fault | None:
        if reply.status not in (200, 206) or request.endpoint == "other":
            return None
        key = f"{request.method} {request.path}"
        with self._lock:
            self.requests += 1
            number = self._counts[key] = self._counts.get(key, 0) + 1
            rng = random.Random(f"{self._seed} {key.rpartition('/')[2][-12:]} {number}")
            if rng.random() >= self._share or self._row.get(key, 0) >= MOST_IN_A_ROW:
                self._row[key] = 0
                return None
            self._row[key] = self._row.get(key, 0) + 1
            self.injected += 1
        kind = rng.choice(CHAOS_KINDS)
        if kind in ("rst", "cut", "stall") and request.method == "GET" and request.endpoint == "layer":
            kind = {"rst": "reset-after", "cut": "cut-after", "stall": "stall-after"}[kind]
            return Fault(kind, "layer", value=rng.randrange(max(1, reply.length)))
        if kind in ("rst", "cut", "stall") and request.method == "HEAD":
            kind = "head-stall" if kind == "stall" else "head-rst"
        return Fault(kind, request.endpoint, rng.choice(POSITIONS), value=rng.choice((500, 502, 503, 504)))


def run_faults(binary: Path, options: argparse.Namespace) -> int:
    report = Report(f"{options.pulls} pulls with 30 % injected faults (reset, 5xx, stall, cut), scaled timers")
    server = FaultServer()
    with running_daemon(binary, SCALED) as (daemon, _):
        began = time.monotonic()

        def play(number: int) -> tuple[str | None, int, int, int, int, int]:
            chaos = Chaos(number)
            site = Site(server, f"faults{number}", script=chaos)
            sizes = (random.Random(number).randrange(10_000, 3 * MIB), 40 * MIB if number % 10 == 0 else MIB)
            layers = [(image_maker.make_layer({"file": random.Random(f"{number}a").randbytes(sizes[0])}), None),
                      make_big_layer(f"faults-{number}", sizes[1])]
            name, image = add_image(site, layers, f"demo/app{number}")
            pull = Pull(daemon, name, site).wait(150)
            error = pull.error
            if error is None and not is_whole(daemon, name, image):
                error = "the image is not whole"
            size = sum(layer.size for layer in image.layers)
            sent = sum(site.coverage(layer.digest).total for layer in image.layers)
            repeated = sum(site.coverage(layer.digest).repeated for layer in image.layers)
            if error is None:
                daemon.api.request("DELETE", f"/images/{name}", {"force": "1"})
            else:
                print(f"  pull {number}: {error[:200]}", file=sys.stderr)
            site.close()
            return error, size, sent, repeated, chaos.injected, chaos.requests

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            results = list(pool.map(play, range(options.pulls)))
        check_store(daemon.data_root)
        good = sum(error is None for error, *_ in results)
        size, sent, repeated, injected, requests = (sum(result[n] for result in results) for n in range(1, 6))
        report.add("pulls that succeed", f"{options.pulls} of {options.pulls}", f"{good} of {options.pulls} in "
                   f"{time.monotonic() - began:.0f} s", good == options.pulls)
        report.add("faults", "30 % of the requests", f"{injected} of {requests}, {injected / requests:.0%}", None)
        report.add("bytes of layers on the wire", "<= 1.05 x size", f"{sent / size:.4f} x size, {repeated} bytes twice",
                   sent <= 1.05 * size)
    server.stop()
    return report.print()


# ---- kill -----------------------------------------------------------------------------------------------------------

def run_kill(binary: Path, options: argparse.Namespace) -> int:
    report = Report(f"kill -9 of the daemon at {options.kills} random points of one pull of 1 GiB")
    server = FaultServer()
    rng = random.Random(options.seed)
    site = Site(server, "kill", rate=60_000_000)
    name, image = add_image(site, [gigabyte()], "demo/big")
    layer = image.layers[0]
    points = sorted(rng.uniform(0.005, 0.985) for _ in range(options.kills))
    with running_daemon(binary, {}, Path("/var/tmp")) as (daemon, _):
        began = time.monotonic()
        done = 0
        for point in points:
            pull = Pull(daemon, name, site)
            try:
                wait_until(lambda: site.coverage(layer.digest).distinct >= point * layer.size or not pull.is_alive(),
                           f"{point:.1%} of the layer", 120)
            except AssertionError as problem:
                print(f"  {problem}", file=sys.stderr)
                break
            if not pull.is_alive():
                break
            time.sleep(rng.uniform(0, 0.05))
            daemon.kill()
            pull.wait(10)
            done += 1
            daemon.start()
        last = Pull(daemon, name, site).wait(300)
        coverage = site.coverage(layer.digest)
        ranges = [request.length for request in site.requests("layer") if request.status == 206]
        one = statistics.mode(ranges) if ranges else 0
        allowed = 1.02 * layer.size + done * one
        whole = last.error is None and is_whole(daemon, name, image)
        report.add("kills", str(options.kills), f"{done} in {time.monotonic() - began:.0f} s", done == options.kills)
        report.add("image at the end", "verified", "verified" if whole else str(last.error)[:100], whole)
        report.add("bytes fetched in total", f"<= 1.02 x size + {done} x one range ({one / MIB:.1f} MiB)",
                   f"{coverage.total / layer.size:.4f} x size; {coverage.repeated / MIB / max(1, done):.2f} MiB again "
                   "for each kill", coverage.total <= allowed and one <= layer.size // 8)
        check_store(daemon.data_root)
    site.close()
    server.stop()
    return report.print()


# ---- ranges ---------------------------------------------------------------------------------------------------------

def timed_pull(daemon: Daemon, site: Site, name: str, image: Image) -> float:
    pull = Pull(daemon, name, site).wait(300)
    if pull.error is not None:
        raise RuntimeError(pull.error)
    if not is_whole(daemon, name, image):
        raise RuntimeError("the image is not whole")
    daemon.api.request("DELETE", f"/images/{name}", {"force": "1"})
    return pull.seconds


def run_ranges(binary: Path, options: argparse.Namespace) -> int:
    report = Report("One layer of 1 GiB by ranges")
    server = FaultServer()
    with running_daemon(binary, {}) as (daemon, _):
        def site_of(**more: object) -> tuple[Site, str, Image]:
            site = Site(server, "ranges", **more)
            return site, *add_image(site, [gigabyte()], "demo/big")

        seconds = {}
        for ranges in (True, False):
            site, name, image = site_of(rate=RATE, ranges=ranges)
            seconds[ranges] = timed_pull(daemon, site, name, image)
            site.close()
        speeds = {ranges: GIB / value / 1e6 for ranges, value in seconds.items()}
        report.add("25 MB/s for each connection", ">= 3 x the speed of one connection",
                   f"{seconds[False] / seconds[True]:.2f} x ({speeds[True]:.0f} against {speeds[False]:.0f} MB/s)",
                   seconds[False] >= 3 * seconds[True], is_timing=True)
        pairs: list[tuple[float, float]] = []
        sites = {ranges: site_of(ranges=ranges) for ranges in (True, False)}
        timed_pull(daemon, *sites[True])  # page cache and pools are warm
        for turn in range(options.runs):
            order = (True, False) if turn % 2 == 0 else (False, True)
            times = {ranges: timed_pull(daemon, *sites[ranges]) for ranges in order}
            pairs.append((times[True], times[False]))
        on, off = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
        ratios = sorted(one / other for one, other in pairs)
        report.add(f"unlimited loopback, {options.runs} alternating pairs", "<= 1.02 of the wall time of one stream",
                   f"{on / off:.3f} (medians {on:.2f} and {off:.2f} s; pairs {ratios[0]:.3f} to {ratios[-1]:.3f})",
                   on / off <= 1.02, is_timing=True)
    server.stop()
    return report.print()


# ---- crowd ----------------------------------------------------------------------------------------------------------

def run_crowd(binary: Path, options: argparse.Namespace) -> int:
    report = Report("64 distinct images, and 256 clients on one image, all at once")
    server = FaultServer()
    with running_daemon(binary, {}) as (daemon, _):
        def far(request: Request, reply: Reply) -> Fault | None:
            """A registry at a distance: what is asked for while one answer is under way can share it."""
            if request.endpoint == "first" and reply.status == 200:
                time.sleep(0.5)
            return None
        site = Site(server, "crowd", rate=RATE, script=far)
        distinct = [add_image(site, [make_big_layer(f"crowd-{number}", 2 * MIB)], f"demo/app{number}")
                    for number in range(64)]
        one = add_image(site, [make_big_layer("crowd-one", 16 * MIB)], "demo/one")
        began = time.monotonic()
        clients = [(Pull(daemon, name, site), name, image) for name, image in distinct]
        clients += [(Pull(daemon, one[0], site), *one) for _ in range(256)]
        for pull, _, _ in clients:
            pull.wait(180)
        took = time.monotonic() - began
        errors = [pull.error for pull, _, _ in clients if pull.error is not None]
        whole = not errors and all(is_whole(daemon, name, image) for name, image in [*distinct, one])
        report.add("clients that get their image", str(len(clients)), f"{len(clients) - len(errors)} in {took:.1f} s"
                   + (f"; {errors[0][:100]}" if errors else ""), whole)
        twice = [blob.digest for _, image in [*distinct, one] for blob in image.blobs
                 if site.coverage(blob.digest).total != blob.size]
        report.add("blobs fetched once", f"{sum(len(image.blobs) for _, image in [*distinct, one])}",
                   f"all but {len(twice)}", not twice)
        asked = [request for request in site.registry.log
                 if request.path.endswith("/demo/one/manifests/latest") and request.status == 200]
        most = max(sum(a.came <= b.came < a.answered for a in asked) for b in asked)
        report.add("the tag of the 256", "resolved once for all that ask meanwhile",
                   f"{len(asked)} times, at most {most} at once", most == 1)
        layers = [request for request in site.requests("layer") if request.status in (200, 206)]
        speeds = [request.length / max(1e-6, request.answered - request.came) for request in layers]
        report.add("slowest transfer", ">= 1/4 of the mean speed", f"{min(speeds) / statistics.mean(speeds):.2f} of it",
                   min(speeds) >= statistics.mean(speeds) / 4)
        active = max(sum(a.came <= b.came < a.answered for a in layers) for b in layers)
        peak = daemon.memory_kib("VmHWM")
        report.add("peak RSS", f"<= 48 MiB + 512 KiB x {active} active transfers", f"{peak / 1024:.1f} MiB",
                   peak <= 48 * 1024 + 512 * active)
        check_store(daemon.data_root)
        site.close()
    server.stop()
    return report.print()


def main(arguments: Sequence[str], binary: Path) -> int:
    parser = argparse.ArgumentParser(prog="contrib/torture", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    cases = commands.add_parser("cases", help="one layer of 64 MiB, one fault each, default timers")
    cases.add_argument("only", nargs="?", default="ABCDEFGHLN", help="letters (default: %(default)s)")
    faults = commands.add_parser("faults", help="pulls with 30 %% injected faults")
    faults.add_argument("--pulls", type=int, default=200)
    kill = commands.add_parser("kill", help="kill -9 at random points of one pull of 1 GiB")
    kill.add_argument("--kills", type=int, default=50)
    kill.add_argument("--seed", type=int, default=1)
    ranges = commands.add_parser("ranges", help="several connections against one")
    ranges.add_argument("--runs", type=int, default=5)
    commands.add_parser("crowd", help="many clients at once")
    options = parser.parse_args(arguments)
    if options.command == "cases":
        return Cases(binary).run(options.only)
    return {"faults": run_faults, "kill": run_kill, "ranges": run_ranges, "crowd": run_crowd}[options.command](
        binary, options)

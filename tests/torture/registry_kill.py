# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a daemon that is a registry, while clients push, mount and delete and the collector runs all the time.

After each kill the daemon starts again over the same data: what it acknowledged has to be there, what it acknowledged to
have deleted has to be gone, what it was interrupted in is wholly there or not at all, an upload goes on where it was,
and the store is sound."""
from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import hashlib
import http.client
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from campaigns import Report
from image_maker import Artifact, Blob
from lib.embedded_registry import EmbeddedRegistry, fixed_address
from lib.registry_churn import LAYER, Client, verify
from lib.registry_http import Answer, RegistryHttp, blob_at, manifest_at
from lib.store import check_store, open_index
from lib.wait import wait_until

CLIENTS = 4
KEPT = 10  # manifests of a client, so that looking at all of them stays cheap
RECENT = 40  # deletions that are looked at after each kill; at the end all are
CHUNK = 16 << 10
START_SECONDS = 10
GRACE_SECONDS = 4
COLLECTOR = ("--gc-interval", "100ms", "--gc-grace", f"{GRACE_SECONDS}s")
SENT_ANEW = 0.1  # of the kills: a commit is short, so few of them may hit between its file and its row
BROKEN = (OSError, http.client.HTTPException)


class Worker(Protocol):
    pending: tuple[str, str] | None

    def work(self) -> None:
        """Until something fails."""


class Recorder(RegistryHttp):
    """Knows the request that was never answered."""

    pending: tuple[str, str] | None = None

    def request(self, method: str, target: str, headers=None, body=None) -> Answer:
        self.pending = (method, target)
        answer = super().request(method, target, headers, body)
        self.pending = None
        return answer


def kind_of(pending: tuple[str, str] | None) -> str:
    if pending is None:
        return "between requests"
    method, target = pending
    if "mount=" in target:
        return "mount"
    return f"{method} {'manifest' if '/manifests/' in target else 'upload' if '/uploads/' in target else 'blob'}"


class Pusher(Client):
    """Goes on after each kill with what it knows."""

    def __init__(self, host: str, name: str, others: Sequence[str]):
        super().__init__(Recorder(host), name, others)
        self._host = host
        self._making: Artifact | None = None
        self._number = 0
        self._gone: list[str] = []

    @property
    def pending(self) -> tuple[str, str] | None:
        return self._http.pending

    def work(self) -> None:
        while True:
            self._number += 1
            self._push(self._make(self._number))
            while len(self.account.manifests) > KEPT:
                self._delete()

    def _make(self, number: int) -> Artifact:
        self._making = super()._make(number)
        return self._making

    def settle(self) -> None:
        """Finds out what became of the request without an answer, which may be either, and starts anew."""
        pending, self._http = self._http.pending, Recorder(self._host)
        if pending is None or "/manifests/" not in pending[1] or pending[0] not in ("PUT", "DELETE"):
            return
        reference = pending[1].rpartition("/")[2]
        account = self.account
        found = self._http.head(manifest_at(account.repository, reference))
        if pending[0] == "DELETE":
            if found.status == 404 and reference.startswith("sha256:"):
                account.forget(reference)
            elif found.status == 404:
                del account.tags[reference]
        elif found.status == 200 and found.headers["Docker-Content-Digest"] == self._making.digest:
            account.tags[reference] = self._making.digest
            account.manifests[self._making.digest] = self._making
            account.deleted.discard(self._making.digest)
        elif self._making.digest not in account.manifests:
            self._http.head(manifest_at(account.repository, self._making.digest)).expect(404)

    def verify(self, everything: bool) -> None:
        account = self.account
        deleted = account.deleted
        self._gone += sorted(deleted - set(self._gone))
        self._gone = [digest for digest in self._gone if digest in deleted]
        account.deleted = deleted if everything else set(self._gone[-RECENT:])
        try:
            verify(self._http, account)
        finally:
            account.deleted = deleted


@dataclasses.dataclass(frozen=True)
class Commit:
    blob: Blob
    asked: float  # no later than the grace began


class Uploader:
    """One session after another, in many chunks; a session is never given up."""

    REPOSITORY = "kill/upload"

    def __init__(self, host: str):
        self._host = host
        self._http = Recorder(host)
        self._number = 0
        self._location = ""
        self._blob: Blob | None = None
        self._sent = 0  # acknowledged
        self._asked = 0.0
        self._committed: collections.deque[Commit] = collections.deque(maxlen=20)
        self.commits = 0
        self.held = 0  # commits that were within the grace when they were looked at
        self.open = 0  # sessions at the kills, each of them one of the next three
        self.resumed = 0
        self.ended = 0  # by a commit that was not answered
        self.restarted = 0

    @property
    def pending(self) -> tuple[str, str] | None:
        return self._http.pending

    def work(self) -> None:
        while True:
            if self._blob is None:
                self._begin()
            self._go_on()

    def _begin(self) -> None:
        self._number += 1
        blob = Blob.of(random.Random(self._number).randbytes(CHUNK * 40 + self._number), LAYER)
        self._location = self._http.start_upload(self.REPOSITORY)
        self._blob, self._sent = blob, 0

    def _go_on(self) -> None:
        data = self._blob.read()
        while self._sent < len(data):
            chunk = data[self._sent:self._sent + CHUNK]
            self._location = self._http.patch(self._location, chunk, self._sent).expect(202).location
            self._sent += len(chunk)
        self._asked = time.monotonic()
        self._http.commit(self._location, self._blob.digest).expect(201)
        self._finish()

    def _finish(self) -> None:
        self._committed.append(Commit(self._blob, self._asked))
        self.commits += 1
        self._blob = None

    def settle(self) -> None:
        pending, self._http = self._http.pending, Recorder(self._host)
        if self._blob is None:
            return
        self.open += 1
        answer = self._http.get(self._location)
        if answer.status == 404:
            # Only a commit may end it, and then the blob is there.
            assert pending is not None and pending[0] == "PUT", f"a session is lost in {pending}"
            self._finish_or_repeat()
            return
        end = int(answer.expect(204).headers["Range"].partition("-")[2])
        size = 0 if end == 0 else end + 1
        assert self._sent <= size <= self._blob.size, f"{self._sent} bytes were acknowledged, {size} are there"
        self._sent, self._location = size, answer.location
        self.resumed += 1

    # The session ends in the transaction that makes the blob; a file that was moved before that is gone with it.
    def _finish_or_repeat(self) -> None:
        if self._http.head(blob_at(self.REPOSITORY, self._blob.digest)).status == 200:
            self._finish()
            self.ended += 1
        else:
            self._blob = None
            self.restarted += 1

    def verify(self) -> None:
        """What was committed within the grace is there; later it is whole, or gone as a whole."""
        for commit in list(self._committed):
            blob = commit.blob
            answer = self._http.get(blob_at(self.REPOSITORY, blob.digest))
            if time.monotonic() < commit.asked + GRACE_SECONDS:
                assert answer.status == 200, f"{blob.digest} was committed, and is gone before its time: {answer.status}"
                self.held += 1
            elif answer.status == 404:
                self._committed.remove(commit)
                continue
            assert "sha256:" + hashlib.sha256(answer.expect(200).body).hexdigest() == blob.digest


def check_sessions(data_root: Path) -> None:
    with open_index(data_root) as index:
        for (session,) in index.execute("SELECT id FROM upload"):
            assert (data_root / "ingest" / f"upload-{session}").exists(), "an upload session without its bytes"


def wait_sound(data_root: Path) -> None:
    """The collector may be at it, and ends."""
    problems: list[str] = []

    def is_sound() -> bool:
        try:
            check_store(data_root)
            check_sessions(data_root)
            return True
        except (AssertionError, FileNotFoundError) as problem:
            problems.append(str(problem))
            return False

    try:
        wait_until(is_sound, "the store is sound", 30)
    except AssertionError as late:
        raise AssertionError(problems[-1] if problems else str(late)) from late


def run_until_killed(registry: EmbeddedRegistry, workers: Sequence[Worker], seconds: float) -> list[str]:
    """What the workers had to complain of before the daemon was gone; nothing but the kill may end them."""
    problems: list[str] = []
    is_killed = threading.Event()

    def run(worker: Worker) -> None:
        try:
            worker.work()
        except BROKEN as failure:
            if not is_killed.is_set():
                problems.append(f"{worker.pending} ended with {failure!r}")
        except BaseException as failure:  # pylint: disable=broad-except
            problems.append(f"{worker.pending}: {failure!r}")

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)  # the point is a random one
    is_killed.set()
    registry.daemon.kill()
    for thread in threads:
        thread.join()
    return problems


@contextlib.contextmanager
def running_registry(binary: Path) -> Iterator[EmbeddedRegistry]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="torture-", dir=memory if memory.is_dir() else None) as folder:
        registry = EmbeddedRegistry(binary, Path(folder), COLLECTOR, listen=fixed_address())
        try:
            yield registry.start()
        finally:
            registry.daemon.discard()


class Campaign:
    def __init__(self, registry: EmbeddedRegistry, kills: int, seed: int):
        self._registry = registry
        self._kills = kills
        self._random = random.Random(seed)
        names = [f"kill/client{number}" for number in range(CLIENTS)]
        self._pushers = [Pusher(registry.host, name, names) for name in names]
        self._uploader = Uploader(registry.host)
        self._points: collections.Counter[str] = collections.Counter()
        self._slowest_start = 0.0
        self._problems: list[str] = []

    def run(self) -> int:
        for number in range(1, self._kills + 1):
            workers = [*self._pushers, self._uploader]
            complaints = run_until_killed(self._registry, workers, self._random.uniform(0.02, 0.6))
            self._points.update(kind_of(worker.pending) for worker in workers)
            began = time.monotonic()
            self._registry.start()
            self._slowest_start = max(self._slowest_start, time.monotonic() - began)
            self._problems += [f"before kill {number}: {complaint}" for complaint in complaints]
            try:
                self._look(everything=number == self._kills)
            except AssertionError as problem:
                self._problems.append(f"after kill {number}: {problem}")
            if self._problems:
                break
            if number % 20 == 0:
                print(f"{number} kills", flush=True)
        return self._report(number)

    def _look(self, everything: bool) -> None:
        self._uploader.settle()
        for pusher in self._pushers:
            pusher.settle()
        for pusher in self._pushers:
            pusher.verify(everything)
        self._uploader.verify()
        wait_sound(self._registry.daemon.data_root)

    def _report(self, kills: int) -> int:
        report = Report("kill -9 of a registry: push, mount, delete and collection")
        report.add("kills", str(self._kills), str(kills), kills == self._kills)
        pushes = sum(pusher.account.pushes for pusher in self._pushers)
        deletes = sum(pusher.account.deletes for pusher in self._pushers)
        report.add("acknowledged pushes and deletions that hold", "all",
                   self._problems[0][:400] if self._problems else f"{pushes} and {deletes}", not self._problems)
        uploader = self._uploader
        report.add("commits that are there within the grace", "all, and more than none",
                   f"{uploader.commits}, looked at {uploader.held} times", not self._problems and uploader.held > 0)
        report.add("uploads that went on where they were, or were done", f"{uploader.open} that were open",
                   f"{uploader.resumed} and {uploader.ended}",
                   not self._problems and uploader.resumed + uploader.ended + uploader.restarted == uploader.open)
        bound = max(1, int(self._kills * SENT_ANEW))
        report.add("uploads sent anew after a kill in their commit", f"<= {bound}", str(uploader.restarted),
                   uploader.restarted <= bound)
        report.add("slowest start", f"< {START_SECONDS} s", f"{self._slowest_start:.2f} s",
                   self._slowest_start < START_SECONDS, is_timing=True)
        for kind, count in sorted(self._points.items()):
            report.add(f"clients interrupted in {kind}", "-", str(count), None)
        return report.print()


def main(arguments: Sequence[str], binary: Path) -> int:
    parser = argparse.ArgumentParser(prog="contrib/torture registry-kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with running_registry(binary) as registry:
        return Campaign(registry, options.kills, options.seed).run()

# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a daemon that is a registry, while clients push, mount and delete and the collector runs all the time.

After each kill the daemon starts again over the same data: what it acknowledged has to be there, what it acknowledged to
have deleted has to be gone, what it was interrupted in is wholly there or not at all, an upload goes on where it was,
and the store is sound."""
from __future__ import annotations

import argparse
import collections
import contextlib
import hashlib
import http.client
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

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
COLLECTOR = ("--gc-interval", "100ms", "--gc-grace", "1s")
BROKEN = (OSError, http.client.HTTPException)


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
        """Until the daemon is gone."""
        with contextlib.suppress(*BROKEN):
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
        self.committed: collections.deque[Blob] = collections.deque(maxlen=5)
        self.resumed = 0
        self.restarted = 0

    @property
    def pending(self) -> tuple[str, str] | None:
        return self._http.pending

    def work(self) -> None:
        with contextlib.suppress(*BROKEN):
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
        self._http.commit(self._location, self._blob.digest).expect(201)
        self._finish()

    def _finish(self) -> None:
        self.committed.append(self._blob)
        self._blob = None

    def settle(self) -> None:
        pending, self._http = self._http.pending, Recorder(self._host)
        if self._blob is None:
            return
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
        else:
            self._blob = None
            self.restarted += 1

    def verify(self) -> None:
        """What was committed just now is younger than the grace or gone as a whole."""
        for blob in self.committed:
            answer = self._http.get(blob_at(self.REPOSITORY, blob.digest))
            assert answer.status == 404 or "sha256:" + hashlib.sha256(answer.body).hexdigest() == blob.digest


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


def run_until_killed(registry: EmbeddedRegistry, workers: Sequence[Pusher | Uploader], seconds: float) -> None:
    threads = [threading.Thread(target=worker.work) for worker in workers]
    for thread in threads:
        thread.start()
    time.sleep(seconds)  # the point is a random one
    registry.daemon.kill()
    for thread in threads:
        thread.join()


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
            run_until_killed(self._registry, workers, self._random.uniform(0.02, 0.6))
            self._points.update(kind_of(worker.pending) for worker in workers)
            began = time.monotonic()
            self._registry.start()
            self._slowest_start = max(self._slowest_start, time.monotonic() - began)
            try:
                self._look(everything=number == self._kills)
            except AssertionError as problem:
                self._problems.append(f"after kill {number}: {problem}")
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
        report.add("uploads that went on where they were", "all that were open", f"{self._uploader.resumed}, "
                   f"{self._uploader.restarted} sent anew after a kill in their commit", not self._problems)
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

# SPDX-License-Identifier: Apache-2.0
"""Plays the whole table, many cases at once against one daemon, and says what did not end as it has to."""
from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support"), str(FOLDER.parent / "integration")]

from lib.daemon import Daemon  # noqa: E402
from lib.store import check_store  # noqa: E402
from lib.wait import wait_until  # noqa: E402
from matrix import SMALL_LAYER, Case, all_cases  # noqa: E402
from stage import WATCHERS, Stage, Verdict  # noqa: E402

SCALED = {"--transfer-stall-timeout": "300ms", "--transfer-retry-delay": "10ms", "--max-concurrent-downloads": "64",
          "--max-concurrent-uploads": "64"}
CASES_AT_ONCE = 32
# What a daemon that has been busy keeps: connections to hosts that it spoke to, and workers of both queues.
POOLED_CONNECTIONS = 40
POOLED_THREADS = 128
POOLED_FILES = 16


def flags_of(flags: dict[str, str]) -> list[str]:
    return [word for flag in flags.items() for word in flag]


@contextlib.contextmanager
def running_daemon(binary: Path, flags: dict[str, str], folder: Path | None = None) -> Iterator[tuple[Daemon, Path]]:
    """Its data is in memory where that is possible: what is tested is not the disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="torture-", dir=folder or (memory if memory.is_dir() else None)) as path:
        daemon = Daemon(binary, Path(path), arguments=flags_of(flags), retry_delay=None)
        daemon.api._timeout = 100  # pylint: disable=protected-access
        try:
            yield daemon.start(), Path(path)
        finally:
            daemon.discard()


def descriptors(pid: int) -> tuple[int, int, int]:
    """Files, sockets and threads of a process."""
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(entry.readlink()))
    sockets = sum(link.startswith("socket:") for link in links)
    return len(links) - sockets, sockets, len(list(Path(f"/proc/{pid}/task").iterdir()))


class Matrix:
    def __init__(self, daemon: Daemon, folder: Path, slack: float, verbose: bool = False):
        self.daemon = daemon
        self.stage = Stage(daemon, folder, slack)
        self.verdicts: list[Verdict] = []
        self.problems: list[str] = []
        self._verbose = verbose
        self._log_seen = 0

    def run(self, cases: Sequence[Case], crowds: Sequence[Case]) -> None:
        """`cases` are played with one client, `crowds` with several."""
        for size in {case.layer_bytes for case in cases if case.push and not case.mounts} or {SMALL_LAYER}:
            self.stage.prepare_seed(size)
        self._warm_up()
        base = descriptors(self.daemon.pid)
        plays = [(case, 1) for case in cases] + [(case, WATCHERS) for case in crowds if not case.push and not case.alone]
        # What waits for minutes waits together; what has to be quick is not kept waiting by what is large.
        plays.sort(key=lambda play: (play[1], play[0].is_slow, play[0].layer_bytes, play[0].final, play[0].seconds))
        for wave in _waves(plays):
            self._play(wave)
        self._check_descriptors(base)

    def _warm_up(self) -> None:
        """The threads and files of a daemon that has been busy are its base."""
        plain = [Case(f"warm-up-{number}", (), "ok") for number in range(2 * CASES_AT_ONCE)]
        with concurrent.futures.ThreadPoolExecutor(len(plain)) as pool:
            for verdict in pool.map(lambda case: self._play_one(case, 1), plain):
                assert not verdict.problems, verdict.problems

    def _play(self, wave: Sequence[tuple[Case, int]]) -> None:
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(len(wave)) as pool:
            for verdict in pool.map(lambda play: self._play_one(*play), wave):
                self.verdicts.append(verdict)
                if verdict.problems:
                    print(f"FAIL {verdict.name}: {' | '.join(verdict.problems)[:700]}", flush=True)
                elif self._verbose:
                    print(f"ok   {verdict.name} {verdict.seconds:.1f} s", flush=True)
        names = f"{wave[0][0].name} ... {wave[-1][0].name}"
        try:
            self._check_daemon()
        except AssertionError as problem:
            self.problems.append(f"after {names}: {problem}")
            print(f"FAIL invariants after {names}: {str(problem)[:700]}", flush=True)
        if self._verbose:
            print(f"     {len(wave)} cases in {time.monotonic() - began:.1f} s", flush=True)

    def _play_one(self, case: Case, watchers: int) -> Verdict:
        try:
            return self.stage.play(case, watchers)
        except Exception as problem:  # one case that cannot be played is one failure  # pylint: disable=broad-except
            return Verdict(case, watchers, [f"cannot be played: {problem!r}"], 0)

    def _check_daemon(self) -> None:
        assert self.daemon.is_running, f"the daemon has ended:\n{self.daemon.log_text()[-2000:]}"
        assert self.daemon.answers(), "the daemon does not answer"
        check_store(self.daemon.data_root)
        with self.daemon.log.open("rb") as log:
            log.seek(self._log_seen)
            new = log.read()
        self._log_seen += len(new)
        secret = new.find(b"canary")
        assert secret < 0, f"a secret is in the log: {new[max(0, secret - 200):secret + 50]!r}"
        self.daemon.check_log()

    def _check_descriptors(self, base: tuple[int, int, int]) -> None:
        def is_back() -> bool:
            files, sockets, threads = descriptors(self.daemon.pid)
            return (files <= base[0] + POOLED_FILES and sockets <= base[1] + POOLED_CONNECTIONS
                    and threads <= base[2] + POOLED_THREADS)
        try:
            wait_until(is_back, "files, sockets and threads are back at base", 5)
        except AssertionError as problem:
            self.problems.append(f"{problem}: were {base}, are {descriptors(self.daemon.pid)}")
            print(f"FAIL {self.problems[-1]}", flush=True)

    def report(self, seconds: float) -> str:
        failed = [verdict for verdict in self.verdicts if verdict.problems]
        lines = [f"{len(self.verdicts) - len(failed)} of {len(self.verdicts)} ended as the table says, "
                 f"{len(failed)} did not; {len(self.problems)} violations of invariants; {seconds:.0f} s"]
        for label, chosen in (("pulls", lambda v: not v.case.push and v.watchers == 1),
                              ("crowds", lambda v: v.watchers > 1), ("pushes", lambda v: v.case.push)):
            group = [verdict for verdict in self.verdicts if chosen(verdict)]
            lines.append(f"  {label}: {sum(not verdict.problems for verdict in group)} of {len(group)}")
        return "\n".join(lines)

    @property
    def is_good(self) -> bool:
        return not self.problems and not any(verdict.problems for verdict in self.verdicts)


def _waves(plays: Sequence[tuple[Case, int]]) -> Iterator[list[tuple[Case, int]]]:
    """Neighbours of one weight: so many clients at once, and the large ones few at a time."""
    wave: list[tuple[Case, int]] = []
    for play in plays:
        most = _wave_size(play)
        if wave and (len(wave) >= most or _wave_size(wave[0]) != most):
            yield wave
            wave = []
        wave.append(play)
    if wave:
        yield wave


def _wave_size(play: tuple[Case, int]) -> int:
    case, watchers = play
    if case.layer_bytes > SMALL_LAYER:
        return 6
    if case.is_slow:
        return 64 if watchers == 1 else 8
    return CASES_AT_ONCE if watchers == 1 else CASES_AT_ONCE // 4


def main(arguments: Sequence[str], binary: Path) -> int:
    parser = argparse.ArgumentParser(prog="contrib/torture matrix", description=__doc__)
    parser.add_argument("filter", nargs="?", default="", help="regular expression of names of cases")
    parser.add_argument("--alone", action="store_true", help="no crowds of 8 pulls that share the layer")
    parser.add_argument("--slack", type=float, default=3, help="stretches the bounds of time (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="show the table and end")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--keep-log", type=Path, help="copy the daemon's log there")
    options = parser.parse_args(arguments)
    cases = [case for case in all_cases() if re.search(options.filter, case.name)]
    if options.list:
        for case in cases:
            print(f"{case.name:45} {case.outcome:6} tries {case.tries[0]}-{case.tries[1]:<8} {case.seconds:3g} s "
                  f"{case.cause}")
        return 0
    began = time.monotonic()
    with running_daemon(binary, SCALED) as (daemon, folder):
        matrix = Matrix(daemon, folder, options.slack, options.verbose)
        matrix.run(cases, [] if options.alone else cases)
        if options.keep_log:
            options.keep_log.write_bytes(daemon.log.read_bytes())
        matrix.stage.stop()
    print(matrix.report(time.monotonic() - began))
    return 0 if matrix.is_good else 1

# SPDX-License-Identifier: Apache-2.0
"""The docker command as a user has it, pointed at the daemon under test."""
from __future__ import annotations

import base64
import dataclasses
import functools
import json
import os
import subprocess
from pathlib import Path

from lib.process import find_program
from lib.wait import SLOWNESS

TIMEOUT_SECONDS = 20 * SLOWNESS
DEBIANS = "docker-20.10"
# docker is whatever the machine has.
PROGRAMS = ("docker", DEBIANS)


@functools.lru_cache(maxsize=None)
def _version(program: str) -> bytes:
    return subprocess.run([find_program(program), "--version"], stdout=subprocess.PIPE, check=True).stdout


def is_debians_again(program: str) -> bool:
    """Whether this is Debian's CLI under another name: what it shows is shown under its own."""
    return program != DEBIANS and _version(program) == _version(DEBIANS)


@dataclasses.dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class DockerCli:
    def __init__(self, host: str, config: Path, program: str = "docker"):
        self._program = find_program(program)
        self._name = Path(self._program).name
        self._config = config
        config.mkdir(parents=True, exist_ok=True)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        self.env.update(DOCKER_HOST=host, DOCKER_CONFIG=str(config), LC_ALL="C.UTF-8")

    def log_in(self, registry: str, user: str, password: str) -> None:
        """Leaves what `docker login` leaves."""
        path = self._config / "config.json"
        config = json.loads(path.read_text()) if path.exists() else {"auths": {}}
        config["auths"][registry] = {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
        path.write_text(json.dumps(config))

    def run(self, *arguments: str, answers: str = "") -> Result:
        """`answers` are what the user types; without them the CLI waits for ever when it asks for a login."""
        try:
            done = subprocess.run([self._program, *arguments], env=self.env, input=answers.encode(), check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as expired:
            raise AssertionError(f"{self._name} {' '.join(arguments)} does not end: {expired.output}") from None
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, *arguments: str) -> Result:
        result = self.run(*arguments)
        assert result.code == 0, f"{self._name} {' '.join(arguments)}: {result.code}\n{result.out}\n{result.err}"
        return result

    def has_flag(self, *command: str, flag: str) -> bool:
        """Whether it offers that with the daemon under test; older ones lack what newer ones have."""
        return f"{flag} " in self.ok(*command, "--help").out.replace("\n", " ")

    def read_config(self) -> dict:
        return json.loads((self._config / "config.json").read_text())

    def fails(self, *arguments: str) -> str:
        """What it says on standard error."""
        result = self.run(*arguments)
        assert result.code != 0, f"{self._name} {' '.join(arguments)} succeeded: {result.out}"
        return result.err.strip()

    def json(self, *arguments: str) -> object:
        return json.loads(self.ok(*arguments).out)

    def start_with_output(self, *arguments: str) -> subprocess.Popen:
        """The caller reads and closes its stdout."""
        return subprocess.Popen([self._program, *arguments], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen([self._program, *arguments], env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

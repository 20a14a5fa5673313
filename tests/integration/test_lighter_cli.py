# SPDX-License-Identifier: Apache-2.0
"""lighter, the command-line client: every command, what it prints where, and how it ends (docs/lighter.md)."""
from __future__ import annotations

import fcntl
import json
import re
import signal
import socket
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from image_maker import all_blobs, make_image, make_layer
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.embedded_registry import EmbeddedRegistry
from lib.engine_archives import Archive
from lib.fault_registry import FaultRegistry
from lib.lighter_cli import LighterCli, Pause, ScriptedDaemon, peak_kib, screen_of
from lib.process import find_free_port
from lib.samples import HOST_PLATFORM, OTHER_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.wait import SANITIZED, wait_until

DONE, FAILED, USAGE, UNREACHABLE, NOT_FOUND, DENIED, NO_SPACE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
PLATFORMS = make_platforms(image_format="oci")
IMAGE = make_small_image("lighter-cli")
COMPLETION = Path(__file__).resolve().parents[2] / "contrib" / "lighter.bash-completion"


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(IMAGE, "cli/app", "1")


@pytest.fixture(scope="module")
def index(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "cli/index", "1")


@pytest.fixture
def script() -> Iterator[ScriptedDaemon]:
    daemon = ScriptedDaemon()
    yield daemon
    daemon.stop()


@pytest.fixture
def scripted(lighter_binary: Path, script: ScriptedDaemon, folder: Path) -> LighterCli:
    return LighterCli(lighter_binary, script.host, folder / "scripted-config")


def short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def test_a_pull_is_lines_that_are_said_once(lighter: LighterCli, app: str) -> None:
    out = lighter.ok("pull", app).out
    lines = out.splitlines()
    assert "\r" not in out and "\x1b" not in out
    assert lines[0] == "1: Pulling from cli/app"
    assert lines[-3:] == [f"Digest: {IMAGE.digest}", f"Status: Downloaded newer image for {app}", app]
    for layer in IMAGE.layers:
        assert lines.count(f"{short(layer.digest)}: Pull complete") == 1
    assert len(lines) == len(set(lines))
    assert lighter.ok("pull", "-q", app).lines == [app]


def test_records_are_the_daemons(lighter: LighterCli, app: str) -> None:
    records = lighter.records("pull", app)
    assert records[0] == {"status": "Pulling from cli/app", "id": "1"}
    assert records[-1] == {"status": f"Status: Downloaded newer image for {app}"}


def test_images_and_rm(lighter: LighterCli, app: str, index: str) -> None:
    assert lighter.ok("images").lines == ["REPOSITORY   TAG   IMAGE ID   CREATED   SIZE"]
    lighter.ok("pull", app)
    lighter.ok("pull", index)
    repository = app.rsplit(":", 1)[0]
    rows = [re.split(r" {2,}", line) for line in lighter.ok("ls").lines[1:]]
    assert [repository, "1", short(IMAGE.digest)] in [row[:3] for row in rows]
    assert len(rows) == 2
    assert lighter.ok("images", "-q", "--no-trunc", repository).lines == [IMAGE.digest]
    assert lighter.ok("images", "-q", "--filter", "label=seed=lighter-cli").lines == [short(IMAGE.digest)]
    assert IMAGE.digest in lighter.ok("images", "--digests", repository).lines[1]
    assert [image["Id"] for image in lighter.document("images", repository)] == [IMAGE.digest]
    removed = lighter.run("rm", "nothing", app)
    assert removed.code == NOT_FOUND
    assert removed.err == "lighter: No such image: nothing:latest\n"
    assert removed.lines[0] == f"Untagged: {app}"
    assert f"Deleted: {IMAGE.digest}" in removed.lines
    assert lighter.document("rmi", "-f", index)[0] == {"Untagged": index}
    assert lighter.document("images") == []


def test_all_tags(lighter: LighterCli, registry: DockerRegistry) -> None:
    names = [registry.add(make_small_image(f"tag-{tag}"), "cli/tags", tag) for tag in ("a", "b")]
    repository = names[0].rsplit(":", 1)[0]
    assert lighter.ok("pull", "-a", repository).lines[-1] == repository
    assert sorted(tag for image in lighter.document("images") for tag in image["RepoTags"]) == names


def test_several_platforms(lighter: LighterCli, second_registry: DockerRegistry, daemon: Daemon, index: str) -> None:
    lighter.ok("pull", "--platform", "linux/amd64", "--platform", "linux/arm64", index)
    shown = daemon.api.get(f"/lighter/v1/images/{index}/platforms").json()
    assert [each["Complete"] for each in shown["Platforms"]] == [True, True, False]
    lighter.ok("pull", "--platform", "all", index)
    target = f"{second_registry.host}/cli/index"
    daemon.api.post(f"/images/{index}/tag", {"repo": target, "tag": "1"})
    assert lighter.ok("push", "--platform", "all", f"{target}:1").lines[-1] == f"{target}:1"
    assert second_registry.get("cli/index", "1").digest == PLATFORMS.digest


def test_push(lighter: LighterCli, second_registry: DockerRegistry, daemon: Daemon, app: str) -> None:
    lighter.ok("pull", app)
    target = f"{second_registry.host}/cli/pushed"
    for tag in ("1", "2"):
        daemon.api.post(f"/images/{app}/tag", {"repo": target, "tag": tag})
    lines = lighter.ok("push", f"{target}:1").lines
    assert lines[0] == f"The push refers to repository [{target}]"
    assert re.fullmatch(rf"1: digest: {IMAGE.digest} size: \d+", lines[-2])
    assert second_registry.get("cli/pushed", "1").digest == IMAGE.digest
    assert lighter.ok("push", "-q", "-a", target).lines == [target]
    assert second_registry.get("cli/pushed", "2").digest == IMAGE.digest
    gone = lighter.run("push", f"{target}:3")
    assert (gone.code, gone.err.count("\n")) == (NOT_FOUND, 1)
    assert "3" in gone.err


def test_credentials(lighter: LighterCli, registry_htpasswd: DockerRegistry, folder: Path) -> None:
    name = registry_htpasswd.add(IMAGE, "cli/private", "1")
    assert lighter.code("pull", name) == DENIED
    lighter.log_in(registry_htpasswd.host, USER, "wrong")
    assert lighter.code("pull", name) == DENIED
    auth_file = folder / "auth.json"
    lighter.log_in(f"{registry_htpasswd.host}/cli", USER, PASSWORD)
    auth_file.write_text(json.dumps(lighter.read_config()))
    lighter.env["REGISTRY_AUTH_FILE"] = str(auth_file)
    lighter.ok("pull", name)
    auth_file.write_text("{}")
    lighter.ok("rm", name)
    lighter.ok("pull", name)
    assert lighter.ok("push", name).lines[0] == f"The push refers to repository [{registry_htpasswd.host}/cli/private]"


def test_a_push_that_is_denied(lighter: LighterCli, registry_htpasswd: DockerRegistry, daemon: Daemon, app: str) -> None:
    lighter.ok("pull", app)
    daemon.api.post(f"/images/{app}/tag", {"repo": f"{registry_htpasswd.host}/cli/denied", "tag": "1"})
    assert lighter.code("push", f"{registry_htpasswd.host}/cli/denied:1") == DENIED


def test_a_login_is_missed_where_nothing_is_found(lighter: LighterCli, registry_token: DockerRegistry) -> None:
    name = registry_token.add(IMAGE, "private/cli", "1")
    for command in "pull", "inspect", "tags", "plan":
        assert lighter.code(command, name) == DENIED, command


def test_helpers_are_named(scripted: LighterCli, script: ScriptedDaemon) -> None:
    script.on("/v1.55/images/create", b'{"message":"denied"}', status=403)
    config = Path(scripted.env["DOCKER_CONFIG"]) / "config.json"
    config.write_text('{"credsStore":"desktop"}')
    denied = scripted.run("pull", "a.example/b")
    assert denied.code == DENIED
    hint, error = denied.err.splitlines()
    assert str(config) in hint and "REGISTRY_AUTH_FILE" in hint
    assert error == "lighter: denied"
    assert "X-Registry-Auth" not in script.requests[0][2]


def test_archives_keep_digests(lighter: LighterCli, make_daemon: Callable[..., Daemon], lighter_binary: Path,
                               folder: Path, app: str, index: str) -> None:
    lighter.ok("pull", "--platform", "all", index)
    lighter.ok("pull", app)
    file = folder / "images.tar"
    assert lighter.ok("save", "-o", str(file), app, index).out == ""
    assert list(folder.glob(".lighter-*")) == []
    assert lighter.read_archive("save", app, index) == file.read_bytes()
    other = make_daemon().start()
    there = LighterCli(lighter_binary, other.host, folder / "other-config")
    loaded = there.ok("load", "-i", str(file)).lines
    assert sorted(loaded[-2:]) == sorted([f"Loaded image: {app}", f"Loaded image: {index}"])
    assert {image["Id"] for image in there.document("images")} == {IMAGE.digest, PLATFORMS.digest}
    there.ok("rm", app, index)
    assert sorted(there.send_archive(file.read_bytes(), "load", "-q").splitlines()) == sorted(loaded[-2:])
    assert there.records("load", "-i", str(file))[-1]["stream"].startswith("Loaded image: ")
    other.stop()


@pytest.mark.skipif(SANITIZED, reason="a sanitizer's memory is its own")
def test_memory_does_not_grow_with_an_archive(lighter: LighterCli, scripted: LighterCli, script: ScriptedDaemon,
                                              folder: Path) -> None:
    pause = Pause()
    script.on("/v1.55/images/get", *[bytes(1 << 20)] * 96, pause)
    saving = scripted.start("save", "-o", str(folder / "a.tar"), "a")
    pause.wait_reached()
    assert peak_kib(saving) < 32 << 10
    pause.release()
    assert saving.wait(10) == DONE
    assert (folder / "a.tar").stat().st_size == 96 << 20
    loading = subprocess.Popen([*lighter.command, "load"], env=lighter.env, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    loading.stdin.write((folder / "a.tar").read_bytes())
    loading.stdin.flush()
    assert peak_kib(loading) < 32 << 10
    loading.stdin.close()
    assert loading.wait(10) == FAILED  # zeros are no archive


def test_one_platform_is_saved(lighter: LighterCli, folder: Path, index: str) -> None:
    lighter.ok("pull", "--platform", "all", index)
    file = folder / "one.tar"
    done = lighter.document("save", "-o", str(file), "--platform", OTHER_PLATFORM, index)
    assert done == {"File": str(file), "Size": file.stat().st_size}
    assert [entry["digest"] for entry in Archive(file.read_bytes()).entries] == [PLATFORMS.image_for(OTHER_PLATFORM).digest]


def test_an_archive_that_is_broken(lighter: LighterCli, folder: Path) -> None:
    file = folder / "broken.tar"
    file.write_bytes(b"no archive at all" * 100)
    refused = lighter.run("load", "-i", str(file))
    assert refused.code == FAILED
    assert refused.err.startswith("lighter: ")
    assert lighter.code("load", "-i", str(folder / "missing.tar")) == USAGE


def load_from_pipe(lighter: LighterCli) -> subprocess.Popen:
    return subprocess.Popen([*lighter.command, "load"], env=lighter.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def is_asleep(child: subprocess.Popen) -> bool:
    return Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "S"


def feed(child: subprocess.Popen, piece: bytes, count: int) -> None:
    try:
        for _ in range(count):
            child.stdin.write(piece)
        child.stdin.close()
    except BrokenPipeError:
        pass  # it has heard enough


def test_the_daemons_text_survives_a_large_body(lighter: LighterCli) -> None:
    child = load_from_pipe(lighter)
    feed(child, b"this is no archive\n" * 51200, 320)
    error = child.stderr.read().decode()
    assert child.wait(30) == FAILED
    assert error.count("\n") == 1
    assert "sending" not in error and "broke off" not in error
    assert error == lighter.run("load", "-i", __file__).err


def test_a_refusal_before_the_body_is_there(lighter_binary: Path, folder: Path) -> None:
    """What waited for its input sends to a daemon that has closed, which on a Unix socket fails at once."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "refusing.sock"))
        listener.listen()
        child = load_from_pipe(LighterCli(lighter_binary, f"unix://{folder}/refusing.sock", folder / "config"))
        with listener.accept()[0] as connection:
            child.stdin.write(b"first")
            child.stdin.flush()
            received = b""
            while not received.endswith(b"first\r\n"):
                received += connection.recv(65536)
            wait_until(lambda: is_asleep(child), "it waits for the rest")
            body = b'{"message":"too large for us"}'
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    feed(child, bytes(1 << 20), 16)
    assert child.stderr.read() == b"lighter: too large for us\n"
    assert child.wait(10) == FAILED


def test_a_daemon_that_goes_without_a_word(scripted: LighterCli, script: ScriptedDaemon) -> None:
    script.on("/v1.55/images/load", status=None)
    child = load_from_pipe(scripted)
    assert script.broken_off.wait(10)
    feed(child, bytes(1 << 20), 16)
    error = child.stderr.read().decode()
    assert child.wait(10) == FAILED
    assert "cannot reach" not in error and error.startswith("lighter: the daemon broke off the request: ")


def test_a_save_that_fails_leaves_no_file(lighter: LighterCli, folder: Path) -> None:
    file = folder / "gone.tar"
    assert lighter.code("save", "-o", str(file), "nothing") == NOT_FOUND
    assert not file.exists()
    file.write_text("from before")
    assert lighter.code("save", "-o", str(file), "nothing") == NOT_FOUND
    assert file.read_text() == "from before"
    assert list(folder.glob(".lighter-*")) == []


@pytest.mark.parametrize("end", ["interrupted", "broken off"])
def test_a_save_that_stops_midway_leaves_no_file(scripted: LighterCli, script: ScriptedDaemon, folder: Path, end: str) -> None:
    pause = Pause()
    script.on("/v1.55/images/get", b"x" * 100_000, pause, None)
    file = folder / "half" / "half.tar"
    file.parent.mkdir()
    child = scripted.start("save", "-o", str(file), "a")
    pause.wait_reached()
    wait_until(lambda: [path.stat().st_size for path in file.parent.iterdir()] == [100_000], "half of it is there")
    assert not file.exists()
    if end == "interrupted":
        child.send_signal(signal.SIGINT)
    else:
        pause.release()
    assert child.wait(10) == (INTERRUPTED if end == "interrupted" else FAILED)
    assert list(file.parent.iterdir()) == []
    pause.release()


def test_a_load_on_a_terminal(lighter: LighterCli, folder: Path, app: str) -> None:
    lighter.ok("pull", app)
    lighter.ok("save", "-o", str(folder / "a.tar"), app)
    lighter.ok("rm", app)
    terminal = lighter.on_terminal("load", "-i", str(folder / "a.tar"), columns=100)
    assert terminal.wait() == DONE
    assert screen_of(terminal.text, 100)[-1] == f"Loaded image: {app}"


def test_a_load_is_interrupted_while_nothing_comes(scripted: LighterCli, script: ScriptedDaemon) -> None:
    pause = Pause()
    script.on("/v1.55/images/load", pause)
    child = subprocess.Popen([*scripted.command, "load"], env=scripted.env, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pause.wait_reached()
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == INTERRUPTED
    child.stdin.close()
    pause.release()


def bytes_in(pipe: IO[bytes]) -> int:
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


@pytest.mark.parametrize("command", [["save", "a"], ["images", "--json"]])
def test_one_signal_ends_a_write_that_nobody_reads(scripted: LighterCli, script: ScriptedDaemon, command: list[str]) -> None:
    document = json.dumps([{"Id": "x" * 1000}] * 1000).encode()
    script.on("/v1.55/images/get", document)
    script.on("/v1.55/images/json", document)
    child = subprocess.Popen([*scripted.command, *command], env=scripted.env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    wait_until(lambda: bytes_in(child.stdout) > 1 << 15 and is_asleep(child), "the pipe is full")
    child.send_signal(signal.SIGTERM)
    assert child.wait(10) == INTERRUPTED
    assert child.stderr.read() == b"lighter: interrupted\n"


def test_standard_output_is_whole_through_a_pipe(scripted: LighterCli, script: ScriptedDaemon, folder: Path) -> None:
    archive = random_bytes("pipe", 3 << 20)
    script.on("/v1.55/images/get", archive[:1 << 20], archive[1 << 20:])
    assert scripted.read_archive("save", "a") == archive
    with open(folder / "file", "wb") as file:
        subprocess.run([*scripted.command, "save", "a"], env=scripted.env, stdout=file, check=True)
    assert (folder / "file").read_bytes() == archive


def test_interrupting_a_pull(lighter: LighterCli, fault_registry: FaultRegistry) -> None:
    layer = IMAGE.layers[0]
    name = fault_registry.add(IMAGE, "cli/stalled", "1")
    stall = fault_registry.stall(layer.digest, after=1000)
    terminal = lighter.on_terminal("pull", name)
    stall.wait_reached()
    terminal.read_until(short(layer.digest))
    terminal.type("\x03")
    assert terminal.wait() == INTERRUPTED
    assert terminal.text.endswith("lighter: interrupted\r\n")
    stall.release()


def test_bars_on_a_terminal(lighter: LighterCli, fault_registry: FaultRegistry) -> None:
    image = make_image([make_layer({"bulk": random_bytes("bars", 8 << 20)}, compression="none")], HOST_PLATFORM)
    layer = image.layers[0]
    name = fault_registry.add(image, "cli/bars", "1")
    stall = fault_registry.stall(layer.digest, after=4 << 20)
    terminal = lighter.on_terminal("pull", name, columns=100)
    stall.wait_reached()
    terminal.read_until("=>")
    stall.release()
    assert terminal.wait() == DONE
    assert re.search(rf"{short(layer.digest)}: Downloading \[=+> *\] [\d.]+MB/8\.\d+MB", terminal.text)
    assert screen_of(terminal.text, 100) == [
        "1: Pulling from cli/bars", f"{short(layer.digest)}: Pull complete", f"Digest: {image.digest}",
        f"Status: Downloaded newer image for {name}", name]


def test_a_terminal_gets_no_archive(lighter: LighterCli) -> None:
    for command in ("save", "a"), ("load",), ("save", "-o", "/dev/tty", "a"), ("save", "-o", "/dev/stdout", "a"):
        terminal = lighter.on_terminal(*command)
        assert terminal.wait() == USAGE
        assert "terminal" in terminal.text


def test_where_the_daemon_is(lighter_binary: Path, make_daemon: Callable[..., Daemon], folder: Path) -> None:
    port = find_free_port()
    daemon = make_daemon(arguments=("-H", f"tcp://127.0.0.1:{port}", "--insecure-tcp")).start()
    nowhere = LighterCli(lighter_binary, f"unix://{folder}/nothing.sock", folder / "config")
    missing = nowhere.run("images")
    assert missing.code == UNREACHABLE
    assert missing.err == (f"lighter: cannot reach the daemon at unix://{folder}/nothing.sock: No such file or directory; "
                           "is lighterd running?\n")
    for host in daemon.host, f"tcp://127.0.0.1:{port}":
        assert nowhere.document("images", "-H", host) == []
        assert LighterCli(lighter_binary, host, folder / "config").document("images") == []
    daemon.stop()
    assert nowhere.code("-H", f"tcp://127.0.0.1:{port}", "images") == UNREACHABLE
    assert nowhere.code("-H", "ssh://host", "images") == USAGE


def test_the_default_is_the_daemons(lighter_binary: Path, binary: Path, folder: Path) -> None:
    """Both programs say in their help where they would meet."""
    for env in {}, {"XDG_RUNTIME_DIR": str(folder)}, {"XDG_DATA_HOME": str(folder)}:
        helps = [subprocess.run([program, "--help"], env={"HOME": "/nonexistent", **env}, stdout=subprocess.PIPE,
                                check=True).stdout.decode() for program in (lighter_binary, binary)]
        client, daemon = (re.search(r"unix:///\S+", text[text.index("--host"):])[0] for text in helps)
        assert client == daemon


def test_wrong_usage(lighter: LighterCli) -> None:
    for command in ([], ["bogus"], ["pull"], ["pull", "UPPER"], ["pull", "-a", "a:1"], ["images", "--filter", "x"],
                    ["push", f"a@{IMAGE.digest}"], ["rm"], ["inspect", ""]):
        result = lighter.run(*command)
        assert (result.code, result.out) == (USAGE, ""), command
        assert result.err.startswith("lighter: "), command


def test_looking_into_a_registry(lighter: LighterCli, index: str, app: str) -> None:
    host_image, other = PLATFORMS.image_for(HOST_PLATFORM), PLATFORMS.image_for(OTHER_PLATFORM)
    document = lighter.document("inspect", index)
    assert (document["Name"], document["Tag"], document["Digest"]) == (index.rsplit(":", 1)[0], "1", PLATFORMS.digest)
    assert document["ManifestDigest"] == host_image.digest
    assert [each["Digest"] for each in document["Layers"]] == [layer.digest for layer in host_image.layers]
    assert lighter.document("inspect", "--platform", OTHER_PLATFORM, index)["ManifestDigest"] == other.digest
    assert [each["Image"]["ManifestDigest"] for each in
            lighter.document("inspect", "--platform", "all", index)["Platforms"]].count(other.digest) == 1
    assert lighter.document("inspect", "--no-tags", index)["RepoTags"] is None
    assert lighter.document("inspect", "--id", IMAGE.digest, app.rsplit(":", 1)[0])["Digest"] == IMAGE.digest
    assert lighter.document("inspect", f"http://{app}")["Digest"] == IMAGE.digest
    lines = lighter.ok("inspect", index).lines
    assert f"Digest:       {PLATFORMS.digest}".split() in [line.split() for line in lines]
    assert {"Platforms:", "Layers:", "History:"} <= set(lines)
    assert any(line.split()[:2] == [OTHER_PLATFORM, other.digest] for line in lines)
    assert lighter.code("inspect", f"{app}-missing") == NOT_FOUND


def test_tags(lighter: LighterCli, registry: DockerRegistry) -> None:
    tags = [f"t{number}" for number in range(5)]
    for tag in tags:
        name = registry.add(IMAGE, "cli/listed", tag)
    repository = name.rsplit(":", 1)[0]
    assert sorted(lighter.ok("tags", repository).lines) == tags
    assert sorted(lighter.document("tags", repository)["Tags"]) == tags
    assert lighter.code("tags", f"{repository}-missing") == NOT_FOUND


def test_a_plan_and_its_pull(lighter: LighterCli, index: str) -> None:
    plan = lighter.document("plan", "--platform", "all", index)
    assert (plan["UpToDate"], plan["Reuse"]) == (False, 0)
    assert plan["Fetch"] == sum(blob["Size"] for blob in plan["Blobs"])
    assert lighter.ok("plan", index).lines[-1].startswith("Total: ")
    lighter.ok("pull", "--platform", "all", index)
    again = lighter.document("plan", "--platform", "all", index)
    assert (again["UpToDate"], again["Fetch"]) == (True, 0)
    assert lighter.ok("plan", index).lines[-1] == "The image is up to date."


def test_looking_needs_a_login(lighter: LighterCli, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(IMAGE, "cli/hidden", "1")
    assert lighter.code("inspect", name) == DENIED
    lighter.log_in(registry_htpasswd.host, USER, PASSWORD)
    assert lighter.document("inspect", name)["Digest"] == IMAGE.digest


INSPECTED = {
    "Name": "a.example/é", "Tag": "1", "Digest": "sha256:aa", "MediaType": "application/x", "Size": 9, "RepoTags": ["1"],
    "Architecture": "amd64", "Os": "linux", "Variant": "", "Labels": None, "Env": None, "Referrers": None, "History": [],
    "Layers": [{"Digest": "sha256:bb", "MediaType": "application/y", "Size": 1000}], "LayersTotalSize": 1000,
    "ManifestDigest": "sha256:aa", "Platforms": []}


def test_documents_are_printed_as_they_are(scripted: LighterCli, script: ScriptedDaemon) -> None:
    script.on("/lighter/v1/remote/a.example/b:1/inspect", json.dumps(INSPECTED).encode())
    assert scripted.document("inspect", "a.example/b:1") == INSPECTED
    assert scripted.ok("inspect", "a.example/b:1").lines == [
        "Name:         a.example/é", "Tag:          1", "Digest:       sha256:aa", "Media type:   application/x",
        "Platform:     linux/amd64", "Layers' size: 1kB", "Tags:         1", "", "Layers:",
        "  DIGEST      SIZE   MEDIA TYPE", "  sha256:bb    1kB   application/y"]


def test_a_plan_says_whether_there_is_room(scripted: LighterCli, script: ScriptedDaemon) -> None:
    plan = {"Name": "a", "Fetch": 5000, "Reuse": 0, "DiskNeeded": 5000, "DiskFree": 4000, "Blobs": []}
    script.on("/lighter/v1/remote/a/plan", json.dumps(plan).encode())
    full = scripted.run("plan", "a")
    assert (full.code, full.err) == (NO_SPACE, "lighter: not enough disk: 5kB needed, 4kB free\n")
    assert "5kB to fetch" in full.out


@pytest.mark.parametrize("status, code", [(400, FAILED), (401, DENIED), (403, DENIED), (404, NOT_FOUND), (503, FAILED)])
def test_what_the_daemon_refuses(scripted: LighterCli, script: ScriptedDaemon, status: int, code: int) -> None:
    script.on("/lighter/v1/remote/a/tags", b'{"message":"because"}', status=status)
    refused = scripted.run("tags", "a", "--json")
    assert (refused.code, refused.out, refused.err) == (code, "", "lighter: because\n")


def test_a_stream_that_breaks_off(scripted: LighterCli, script: ScriptedDaemon) -> None:
    script.on("/v1.55/images/create", b'{"status":"Pulling from a","id":"1"}\r\n', None)
    broken = scripted.run("pull", "a:1")
    assert broken.code == FAILED
    assert broken.lines == ["1: Pulling from a"]
    assert broken.err.startswith("lighter: the daemon broke off its answer")


def test_what_the_daemon_says_cannot_draw(scripted: LighterCli, script: ScriptedDaemon) -> None:
    text = json.dumps({"status": "a\x1b[2J\rb", "progressDetail": {}, "id": "x\x1b[9A"}).encode()
    script.on("/v1.55/images/create", text + b"\r\n" + json.dumps({"error": "c\x1b[2J"}).encode() + b"\r\n")
    terminal = scripted.on_terminal("pull", "a:1")
    assert terminal.wait() == FAILED
    assert screen_of(terminal.text, 80) == ["x?[9A: a?[2J?b", "lighter: c?[2J"]


def test_a_push_to_a_registry_of_lighterds(lighter: LighterCli, embedded: EmbeddedRegistry, daemon: Daemon, app: str) -> None:
    """A machine without docker: two daemons and this client."""
    lighter.ok("pull", app)
    target = f"{embedded.host}/cli/app"
    daemon.api.post(f"/images/{app}/tag", {"repo": target, "tag": "1"})
    lighter.ok("push", f"{target}:1")
    lighter.ok("rm", f"{target}:1", app)
    lighter.ok("pull", f"{target}:1")
    assert {blob.digest for blob in all_blobs(IMAGE)} <= {f"sha256:{path.name}" for path in
                                                          (daemon.data_root / "blobs" / "sha256").iterdir()}


def complete(line: str, env: dict[str, str]) -> list[str]:
    """What bash offers for the last word."""
    words = [word.strip("'") for word in line.split(" ")]
    script = (f"source {COMPLETION}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
              f"_lighter lighter {words[-1]!r} {words[-2]!r}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    return subprocess.run(["bash", "-c", script], env=env, stdout=subprocess.PIPE, check=True).stdout.decode().split()


def test_completion_knows_every_command_and_flag(lighter: LighterCli, app: str) -> None:
    env = {**lighter.env, "PATH": f"{Path(lighter.command[0]).parent}:{lighter.env['PATH']}"}
    text = lighter.ok("--help").out
    commands = re.findall(r"^  (\w+)", text[text.index("Subcommands:"):text.index("Exit codes:")], re.MULTILINE)
    assert len(commands) == 9
    assert sorted(complete("lighter ''", env)) == sorted(commands)
    assert complete("lighter -H x --json pu", env) == ["pull", "push"]
    for command in commands:
        flags = set(re.findall(r"--[a-z-]+", lighter.ok(command, "--help").out.split("Options:")[1].split("Examples:")[0]))
        assert flags | {"--host", "--json"} == set(complete(f"lighter {command} --", env)), command
    lighter.ok("pull", app)
    assert complete("lighter rm ''", env) == [app]


def test_completion_runs_nothing_and_asks_the_daemon_of_the_line(scripted: LighterCli, script: ScriptedDaemon,
                                                                 folder: Path) -> None:
    trace = folder / "trace"
    tags = ["a.example/good:1", f"$(touch${{IFS}}{trace}):1", f"`touch${{IFS}}{trace}`:2", "x$HOME:3"]
    image = {"Id": "sha256:00", "Created": 1, "Size": 1, "RepoTags": tags, "RepoDigests": []}
    script.on("/v1.55/images/json", json.dumps([image]).encode())
    env = {**scripted.env, "PATH": f"{Path(scripted.command[0]).parent}:{scripted.env['PATH']}"}
    assert complete("lighter rm ''", env) == ["a.example/good:1"]
    assert not trace.exists()
    env["LIGHTER_HOST"] = f"unix://{folder}/nobody.sock"
    split = script.host.replace(":", " : ")  # as bash has the words
    for flag in f"-H {script.host}", f"-H {split}", f"--host={script.host}", f"--host = {split}":
        assert complete(f"lighter {flag} rm ''", env) == ["a.example/good:1"], flag
        assert complete(f"lighter {flag} pus", env) == ["push"], flag
    assert complete("lighter rm ''", env) == []

# SPDX-License-Identifier: Apache-2.0
"""GET /events: what happened, as it happens and afterwards, for every client and version."""
from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator

import docker
import pytest

from image_maker import make_image, make_layer
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.engine_archives import load_well, oci_archive, save
from lib.operations import read_events
from lib.process import find_program
from lib.samples import HOST_PLATFORM, make_small_image
from lib.wait import SANITIZED, SLOWNESS, wait_until

IMAGE = make_image([make_layer({"a": "b"})], HOST_PLATFORM, labels={"team": "red", "size": "1"})


@pytest.fixture(scope="module")
def name(registry: DockerRegistry) -> str:
    return registry.add(IMAGE, "events/app", "1")


def listen(api: Api, version: str = "", headers: dict | None = None, **query: object):
    """Live: the listener is there when this returns."""
    stream = api.open("GET", f"{version}/events", query, headers)
    assert stream.status == 200
    wait_until(lambda: api.get("/info").json()["NEventsListener"] > 0, "the listener is counted")
    return stream


def summary(events: list[dict]) -> list[tuple[str, str, str]]:
    return [(event["Action"], event["Actor"]["ID"], event["Actor"]["Attributes"]["name"]) for event in events]


def take(stream, count: int) -> list[dict]:
    records = stream.records()
    return [next(records) for _ in range(count)]


def test_a_life_of_an_image(api: Api, name: str, registry: DockerRegistry) -> None:
    copy = f"{registry.host}/events/copy:2"
    stream = listen(api)
    api.pull_well(name)
    assert api.post(f"/images/{name}/tag", {"repo": copy}).status == 201
    assert api.post(f"/images/{copy}/push").status == 200
    assert api.delete(f"/images/{copy}").status == 200
    assert api.delete(f"/images/{name}").status == 200
    events = take(stream, 6)
    bare, digest = name.removesuffix(":1"), IMAGE.digest
    assert summary(events) == [
        ("pull", name, bare), ("tag", digest, copy), ("push", copy, copy.removesuffix(":2")), ("untag", digest, copy),
        ("untag", digest, name), ("delete", digest, digest)]
    assert all((event["Type"], event["scope"]) == ("image", "local") for event in events)
    assert [event["timeNano"] for event in events] == sorted(event["timeNano"] for event in events)
    for event in events[0], events[2]:
        assert event["Actor"]["Attributes"].items() >= {"team": "red", "size": "1"}.items()
    stream.close()
    assert summary(read_events(api)) == summary(events)


def test_all_tags_have_an_event_each(api: Api, registry: DockerRegistry) -> None:
    for tag in ("a", "b"):
        registry.add(make_small_image(f"events-{tag}"), "events/all", tag)
    api.pull_well(f"{registry.host}/events/all")
    names = sorted(event["Actor"]["ID"] for event in read_events(api))
    assert names == [f"{registry.host}/events/all:{tag}" for tag in "ab"]


def test_a_pull_by_digest_and_one_of_what_is_here(api: Api, name: str) -> None:
    reference = f"{name.removesuffix(':1')}@{IMAGE.digest}"
    api.pull_well(reference)
    api.pull_well(reference)
    assert [event["Actor"]["ID"] for event in read_events(api)] == [reference, reference]


def test_what_fails_has_no_event(api: Api, registry: DockerRegistry) -> None:
    api.pull(f"{registry.host}/no/such", "1")
    api.post("/images/nothing/tag", {"repo": "x"})
    api.delete("/images/nothing")
    api.post(f"/images/{registry.host}/nothing/push", {"tag": "1"})
    assert read_events(api) == []


@pytest.mark.parametrize("version, legacy", [("/v1.22", True), ("/v1.51", True), ("/v1.52", False), ("", False)])
def test_old_clients_get_their_members(api: Api, name: str, version: str, legacy: bool) -> None:
    api.pull_well(name)
    [event] = read_events(api, version)
    assert ("status" in event, "id" in event, "from" in event) == (legacy, legacy, False)
    if legacy:
        assert (event["status"], event["id"]) == ("pull", name)


@pytest.mark.parametrize("version, accept, content_type", [
    ("/v1.51", None, "application/json"), ("/v1.52", None, "application/jsonl"), ("", "*/*", "application/jsonl"),
    ("/v1.22", "application/jsonl", "application/jsonl"), ("/v1.44", "application/x-ndjson", "application/x-ndjson"),
    ("/v1.44", "application/json-seq;q=0.5, application/jsonl;q=0", "application/json-seq"),
    ("", "application/jsonl, application/x-ndjson;q=0.9, application/json-seq;q=0.5", "application/jsonl")])
def test_content_types(api: Api, name: str, version: str, accept: str | None, content_type: str) -> None:
    api.pull_well(name)
    answer = api.get(f"{version}/events", {"since": 0, "until": f"{time.time():.9f}"},
                     {"Accept": accept} if accept else None)
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.body.startswith(b"\x1e{" if content_type == "application/json-seq" else b"{")
    assert answer.body.endswith(b"}\n")


def test_the_head_comes_before_the_first_event(api: Api) -> None:
    connection = api.connect()
    connection.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
    assert b"\r\n\r\n" in connection.recv(4096)
    connection.close()


def test_filters(api: Api, name: str) -> None:
    api.pull_well(name)
    api.post(f"/images/{name}/tag", {"repo": "mine"})
    api.delete("/images/mine")
    for filters, actions in [
            ({"event": ["tag", "untag"]}, ["tag", "untag"]), ({"type": {"image": True}}, ["pull", "tag", "untag"]),
            ({"type": ["container"]}, []), ({"label": ["team=red"]}, ["pull"]), ({"label": ["team=blue"]}, []),
            ({"image": [name]}, ["pull"]), ({"image": ["mine"]}, ["tag", "untag"]),
            ({"image": [IMAGE.digest], "event": ["tag"]}, ["tag"]), ({"container": ["mine"]}, ["tag", "untag"]),
            ({"nonsense": ["x"]}, ["pull", "tag", "untag"]), ({}, ["pull", "tag", "untag"])]:
        assert [event["Action"] for event in read_events(api, filters=json.dumps(filters))] == actions, filters
    assert api.get("/events", {"filters": '{"event":"tag"}'}).status == 400


def test_periods(api: Api, name: str) -> None:
    api.pull_well(name)
    before = f"{time.time():.9f}"
    api.post(f"/images/{name}/tag", {"repo": "mine"})
    assert [event["Action"] for event in read_events(api, since=before)] == ["tag"]
    assert [event["Action"] for event in read_events(api, until=before)] == ["pull"]
    for query, text in [({"since": "1h"}, "invalid value for 'since': "), ({"until": "x"}, "invalid value for 'until': "),
                        ({"since": 2, "until": 1}, "`since` time (2) cannot be after `until` time (1)")]:
        answer = api.get("/events", query)
        assert (answer.status, answer.message.startswith(text)) == (400, True), answer.body


def test_the_last_256_are_replayed(api: Api, name: str) -> None:
    api.pull_well(name)
    for number in range(256):
        api.post(f"/images/{name}/tag", {"repo": "many", "tag": str(number)})
    events = read_events(api)
    assert [event["Actor"]["Attributes"]["name"] for event in events] == [f"many:{number}" for number in range(256)]


def test_an_end_in_the_future_ends_the_stream(api: Api, name: str) -> None:
    stream = listen(api, until=f"{time.time() + 1.5:.3f}")
    api.pull_well(name)
    assert [event["Action"] for event in stream.records()] == ["pull"]


def test_a_client_that_leaves_is_noticed_at_once(api: Api) -> None:
    streams = [listen(api) for _ in range(5)]
    wait_until(lambda: api.get("/info").json()["NEventsListener"] == 5, "all listen")
    for stream in streams:
        stream.close()
    wait_until(lambda: api.get("/info").json()["NEventsListener"] == 0, "nobody listens", seconds=1)


def test_listeners_do_not_hold_up_the_end_of_the_daemon(daemon: Daemon) -> None:
    streams = [listen(daemon.api) for _ in range(3)]
    begin = time.monotonic()
    daemon.terminate()
    for stream in streams:
        assert list(stream.records()) == [], "the stream ends as a whole one"
    assert daemon.wait() == 0
    assert time.monotonic() - begin < 4, "the time that running requests have was not used up"


def test_too_many_listeners_leave_workers_for_others(api: Api) -> None:
    streams = []
    while (stream := api.open("GET", "/events")).status == 200:
        streams.append(stream)
        assert len(streams) < 200
    assert stream.status == 503
    assert api.get("/images/json").status == 200
    for each in [*streams, stream]:
        each.close()


def test_a_listener_that_does_not_read_costs_no_memory(daemon: Daemon, api: Api, name: str) -> None:
    api.pull_well(name)
    quick = listen(api)
    # It takes the head and no more.
    slow = api.connect()
    slow.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
    slow.recv(1)
    before = daemon.memory_kib("VmRSS")
    count = 4000
    thread = threading.Thread(target=take, args=(quick, count))
    thread.start()
    long_tag = "t" * 120
    connection = api.connect()
    request = f"POST /images/{name}/tag?repo=slow&tag={long_tag} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode()
    answers = b""
    for _ in range(count // 50):
        connection.sendall(request * 50)
        while answers.count(b"201 Created") < 50:
            answers += connection.recv(65536)
        answers = answers[answers.rindex(b"201 Created") + 11:]
    thread.join(20 * SLOWNESS)
    assert not thread.is_alive(), "the quick one has them all"
    assert SANITIZED or daemon.memory_kib("VmRSS") - before < 8 * 1024
    connection.close()
    slow.close()
    quick.close()


# ---- clients --------------------------------------------------------------------------------------------------------

def test_docker_events_replayed(any_cli: DockerCli, api: Api, name: str) -> None:
    api.pull_well(name)
    api.post(f"/images/{name}/tag", {"repo": "mine"})
    period = ("--since", "10m", "--until", f"{time.time():.9f}")
    lines = any_cli.ok("events", *period).lines
    assert [line.split(" ", 1)[1] for line in lines] == [
        f"image pull {name} (name={name.removesuffix(':1')}, size=1, team=red)",
        f"image tag {IMAGE.digest} (name=mine:latest)"]
    [line] = any_cli.ok("events", *period, "--filter", "event=tag", "--format", "{{json .}}").lines
    assert json.loads(line)["Actor"]["ID"] == IMAGE.digest


def test_docker_events_live(daemon: Daemon, any_cli: DockerCli, api: Api, name: str) -> None:
    program = any_cli.start_with_output("events", "--format", "{{.Type}} {{.Action}}")
    wait_until(lambda: api.get("/info").json()["NEventsListener"] == 1, "docker events listens")
    api.pull_well(name)
    assert program.stdout.readline() == b"image pull\n"
    api.delete(f"/images/{name}")
    assert program.stdout.readline() == b"image untag\n"
    program.terminate()
    program.wait()
    program.stdout.close()
    wait_until(lambda: api.get("/info").json()["NEventsListener"] == 0, "it is gone")


@pytest.fixture
def client(daemon: Daemon) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=daemon.host)
    yield client
    client.close()


def test_python_docker(client: docker.DockerClient, api: Api, name: str) -> None:
    api.pull_well(name)
    events = client.events(since=0, decode=True, filters={"event": "pull"})
    event = next(events)
    assert (event["Type"], event["Action"], event["Actor"]["ID"]) == ("image", "pull", name)
    events.close()


def test_curl(daemon: Daemon, api: Api, name: str) -> None:
    api.pull_well(name)
    done = subprocess.run([find_program("curl"), "-sS", "--unix-socket", str(daemon.socket),
                           f"http://d/events?until={time.time():.3f}"], stdout=subprocess.PIPE, check=True, timeout=20)
    assert json.loads(done.stdout)["Action"] == "pull"


def test_labels_too_large_for_an_event_are_no_error(api: Api) -> None:
    image = make_image([make_layer({"a": "b"})], HOST_PLATFORM, labels={"large": "x" * 5_000_000, "team": "red"})
    since = f"{time.time():.9f}"
    assert load_well(api, oci_archive(image, "events/large:1")) == ["Loaded image: events/large:1"]
    assert save(api, "events/large:1").entries[0]["digest"] == image.digest
    assert summary(read_events(api, since=since)) == [("load", image.digest, image.digest), ("save", image.digest, image.digest)]
    listed = api.get("/images/json", {"filters": json.dumps({"label": ["team=red"], "reference": ["events/large"]})})
    assert [item["Id"] for item in listed.json()] == [image.digest]

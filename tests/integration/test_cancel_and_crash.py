# SPDX-License-Identifier: Apache-2.0
"""Clients and daemons that go away in the middle of their work."""
from __future__ import annotations

import signal
import time
from collections.abc import Callable

from image_maker import Image
from lib.daemon import STOP_SECONDS, Daemon
from lib.docker_cli import DockerCli
from lib.fault_registry import FaultRegistry, Reply, Stall
from lib.samples import make_small_image
from lib.store import check_store, list_known_blobs, list_partials, list_temporaries
from lib.wait import wait_until

LAYER_BYTES = 3_000_000
MakeDaemon = Callable[..., Daemon]


def add_stalled_image(registry: FaultRegistry, after: int = 1_000_000) -> tuple[str, Image, Stall]:
    """Its last layer stops in the middle."""
    image = make_small_image("stalled", layer_bytes=LAYER_BYTES)
    return registry.add(image, "slow/app"), image, registry.stall(f"blobs/{image.layers[-1].digest}", after)


def has_partials(daemon: Daemon) -> bool:
    return bool(list_partials(daemon.data_root))


def let_pass(registry: FaultRegistry, image: Image) -> None:
    registry.on("GET", f"blobs/{image.layers[-1].digest}", Reply())


# ---- clients --------------------------------------------------------------------------------------------------------

def test_killing_the_client_stops_the_transfer_within_a_second(daemon: Daemon, cli: DockerCli,
                                                               fault_registry: FaultRegistry) -> None:
    name, image, stall = add_stalled_image(fault_registry)
    client = cli.start("pull", name)
    stall.wait_reached()
    wait_until(lambda: has_partials(daemon), "a part of the layer is in ingest/")
    killed_at = time.monotonic()
    client.send_signal(signal.SIGKILL)
    client.wait()
    assert stall.wait_disconnect(5) - killed_at < 1
    wait_until(lambda: not list_temporaries(daemon.data_root), "only what can be resumed is in ingest/")
    assert daemon.api.get(f"/images/{name}/json").status == 404
    let_pass(fault_registry, image)
    cli.ok("pull", name)


def test_closing_the_connection_stops_the_transfer(daemon: Daemon, fault_registry: FaultRegistry) -> None:
    name, _, stall = add_stalled_image(fault_registry)
    stream = daemon.api.start_pull(name)
    stall.wait_reached()
    stream.close()
    stall.wait_disconnect(1)


def test_a_pull_is_cancelled_while_the_registry_thinks_about_the_manifest(daemon: Daemon,
                                                                          fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(make_small_image(), "slow/manifest")
    stall = fault_registry.stall("manifests/[^/]+", after=10)
    with daemon.api.connect() as connection:
        connection.sendall(f"POST /images/create?fromImage={name} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        stall.wait_reached()
    stall.wait_disconnect(1)


def test_two_clients_fetch_each_blob_once(daemon: Daemon, fault_registry: FaultRegistry) -> None:
    name, image, stall = add_stalled_image(fault_registry)
    first = daemon.api.start_pull(name)
    stall.wait_reached()
    second = daemon.api.start_pull(name)
    second.read_until("Downloading")  # watches the transfer of the first
    stall.release()
    for stream in (first, second):
        assert "Status: " in list(stream.records())[-1]["status"]
    for layer in image.layers:
        assert fault_registry.count("GET", layer.digest) == 1


def test_a_transfer_goes_on_when_one_of_two_clients_leaves(daemon: Daemon, fault_registry: FaultRegistry) -> None:
    name, image, stall = add_stalled_image(fault_registry)
    first = daemon.api.start_pull(name)
    stall.wait_reached()
    second = daemon.api.start_pull(name)
    second.read_until("Downloading")
    first.close()
    wait_until(lambda: daemon.log_text().count("cancel") > 0 or stall.disconnected_at, "the first is gone")
    stall.release()
    assert "Status: " in list(second.records())[-1]["status"]
    assert fault_registry.count("GET", image.layers[-1].digest) == 1


# ---- daemons --------------------------------------------------------------------------------------------------------

def test_killing_the_daemon_in_a_pull_loses_nothing_but_the_pull(daemon: Daemon, cli: DockerCli,
                                                                 fault_registry: FaultRegistry) -> None:
    kept = make_small_image("kept")
    kept_name = fault_registry.add(kept, "slow/kept")
    cli.ok("pull", kept_name)
    name, image, stall = add_stalled_image(fault_registry)
    client = cli.start("pull", name)
    stall.wait_reached()
    wait_until(lambda: image.layers[0].digest in list_known_blobs(daemon.data_root), "the first layer is here")
    daemon.kill()
    assert client.wait(10) != 0
    assert daemon.socket.exists()
    let_pass(fault_registry, image)

    daemon.start()
    check_store(daemon.data_root)
    assert cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}").lines == [kept_name]
    cli.ok("pull", name)
    assert fault_registry.count("GET", image.layers[0].digest) == 1, "a layer that was complete is not fetched again"
    assert cli.json("inspect", name)[0]["Id"] == image.digest


def test_sigterm_ends_an_idle_daemon_at_once(daemon: Daemon) -> None:
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 2
    assert not daemon.socket.exists()


def test_sigint_ends_it_as_well(daemon: Daemon) -> None:
    daemon.terminate(signal.SIGINT)
    assert daemon.wait() == 0


def test_sigterm_ends_a_daemon_whose_pull_stalls(daemon: Daemon, fault_registry: FaultRegistry) -> None:
    name, _, stall = add_stalled_image(fault_registry)
    stream = daemon.api.start_pull(name)
    stall.wait_reached()
    daemon.terminate()
    assert daemon.wait(STOP_SECONDS) == 0
    assert not daemon.socket.exists()
    assert not list_temporaries(daemon.data_root)
    stream.close()


def test_sigterm_lets_a_pull_end_that_is_nearly_there(daemon: Daemon, fault_registry: FaultRegistry) -> None:
    name, image, stall = add_stalled_image(fault_registry)
    stream = daemon.api.start_pull(name)
    stall.wait_reached()
    daemon.terminate()
    wait_until(lambda: "stopping" in daemon.log_text(), "the daemon has seen the signal")
    stall.release()
    assert "Status: Downloaded newer image" in list(stream.records())[-1]["status"]
    assert daemon.wait() == 0
    daemon.start()
    assert daemon.api.get(f"/images/{name}/json").json()["Id"] == image.digest


def test_a_data_root_has_one_daemon(daemon: Daemon, make_daemon: MakeDaemon) -> None:
    code, said = make_daemon(data_root=daemon.data_root).run_in_vain()
    assert code != 0
    assert f"data root {daemon.data_root} is in use by another daemon" in said
    assert daemon.answers()


def test_a_stale_socket_is_replaced(daemon: Daemon) -> None:
    daemon.kill()
    assert daemon.socket.exists()
    daemon.start()


def test_a_live_socket_is_not_stolen(daemon: Daemon, make_daemon: MakeDaemon) -> None:
    code, said = make_daemon(socket=daemon.socket).run_in_vain()
    assert code != 0
    assert str(daemon.socket) in said
    assert daemon.answers()


def test_a_file_in_the_place_of_the_socket_is_not_removed(make_daemon: MakeDaemon) -> None:
    other = make_daemon()
    other.socket.write_text("precious")
    code, said = other.run_in_vain()
    assert code != 0
    assert str(other.socket) in said
    assert other.socket.read_text() == "precious"


def test_tcp_needs_a_flag(make_daemon: MakeDaemon) -> None:
    code, said = make_daemon(arguments=["-H", "tcp://127.0.0.1:0"]).run_in_vain()
    assert code != 0
    assert "--insecure-tcp" in said


def test_the_socket_is_for_the_owner_and_the_group(daemon: Daemon) -> None:
    assert daemon.socket.stat().st_mode & 0o777 == 0o660
    assert daemon.data_root.stat().st_mode & 0o777 == 0o700

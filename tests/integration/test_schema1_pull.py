# SPDX-License-Identifier: Apache-2.0
"""Images of schema 1: verified by what was signed, and converted while they arrive."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from image_maker import Blob, Layer, layer_from_tar, make_layer, make_tar
from lib import skopeo
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.embedded_registry import EmbeddedRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.registry_http import manifest_at
from lib.schema1 import (EMPTY_LAYER, SIGNED, UNSIGNED, Schema1Image, image_id, make_chain, make_schema1, sign,
                         with_signatures)
from lib.store import list_files

BASE = make_layer({"etc/os-release": "NAME=old\n"}, created_by="ADD base /")
TOP = make_layer({"app": "#!/bin/sh\n"}, created_by="ADD app / && echo <done>")
LAYERS: tuple[Layer | None, ...] = (BASE, None, TOP)
IMAGE = make_schema1(LAYERS, labels={"kind": "old"}, env=["A=b"])
REFUSAL = ("Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been removed. Suggest the "
           "author of {} to upgrade the image to the OCI Format or Docker Image manifest v2, schema 2. More information "
           "at https://docs.docker.com/go/deprecated-image-specs/")


@pytest.fixture
def served(fault_registry: FaultRegistry) -> str:
    """The name of the image."""
    return fault_registry.add(IMAGE, "team/app", "1")


def repository_of(name: str) -> str:
    return name.rpartition(":")[0]


def at_digest(name: str, image: Schema1Image = IMAGE) -> str:
    return f"{repository_of(name)}@{image.digest}"


def inspect(api: Api, name: str) -> dict:
    answer = api.get(f"/images/{name}/json")
    assert answer.status == 200, answer.body
    return answer.json()


def is_here(api: Api, name: str) -> bool:
    return api.get(f"/images/{name}/json").status == 200


def count_blobs(registry: FaultRegistry, method: str = "GET") -> int:
    return sum(1 for request in registry.requests if request.method == method and "/blobs/" in request.path)


@pytest.mark.parametrize("signatures", [0, 1, 2])
def test_an_image_is_made_of_it(api: Api, fault_registry: FaultRegistry, signatures: int) -> None:
    image = make_schema1(LAYERS, signatures=signatures, labels={"kind": "old"}, env=["A=b"])
    name = fault_registry.add(image, "team/app", "1")
    statuses = api.pull_well(name).statuses
    assert statuses[-2:] == [f"Digest: {image.digest}", f"Status: Downloaded newer image for {name}"]
    found = inspect(api, name)
    assert found["RootFS"] == {"Type": "layers", "Layers": list(image.diff_ids)}
    assert found["Config"]["Labels"] == {"kind": "old"} and found["Config"]["Env"] == ["A=b"]
    assert (found["Architecture"], found["Os"]) == ("amd64", "linux")
    assert found["RepoTags"] == [name]
    # The layer of nothing is named by the manifest, and nobody needs it.
    assert fault_registry.count("GET", EMPTY_LAYER.digest) == 0


def test_its_layers_are_reported_as_any_others(api: Api, served: str) -> None:
    records = api.pull_well(served).records
    for layer in IMAGE.layers:
        lines = [record["status"] for record in records if record.get("id") == layer[7:19]]
        assert lines[0] == "Pulling fs layer" and lines[-1] == "Pull complete"


def test_history_has_all_entries(cli: DockerCli, served: str) -> None:
    cli.ok("pull", served)
    rows = cli.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}", served).lines
    assert [row.partition("|")[0] for row in rows] == ["/bin/sh -c ADD app / && echo <done>",
                                                       '/bin/sh -c #(nop) CMD ["/bin/sh"]', "/bin/sh -c ADD base /"]
    assert rows[1].endswith("|0B")


def test_a_second_pull_fetches_no_layer(cli: DockerCli, fault_registry: FaultRegistry, served: str) -> None:
    cli.ok("pull", served)
    fault_registry.requests.clear()
    assert cli.ok("pull", served).lines[-2] == f"Status: Image is up to date for {served}"
    assert count_blobs(fault_registry) == count_blobs(fault_registry, "HEAD") == 0


def test_it_has_the_registrys_digest_as_another_name(api: Api, cli: DockerCli, served: str) -> None:
    cli.ok("pull", served)
    image = inspect(api, served)
    for name in (at_digest(served), IMAGE.digest, IMAGE.digest[7:19]):
        assert inspect(api, name)["Id"] == image["Id"], name
    assert image["RepoDigests"] == [f"{repository_of(served)}@{image['Id']}"]
    assert not is_here(api, f"127.0.0.1:1/team/app@{IMAGE.digest}"), "another repository"
    cli.ok("rmi", at_digest(served))
    assert not is_here(api, served) and not is_here(api, IMAGE.digest)


def test_by_digest(api: Api, cli: DockerCli, daemon: Daemon, served: str) -> None:
    name = at_digest(served)
    assert f"Digest: {IMAGE.digest}" in cli.ok("pull", name).lines
    assert f"Status: Image is up to date for {name}" in cli.ok("pull", name).lines
    assert inspect(api, name)["RepoTags"] == []
    removed = cli.ok("rmi", name).lines
    assert removed[-1].startswith("Deleted: ")
    assert list_files(daemon.data_root) == {}


def test_all_tags(cli: DockerCli, fault_registry: FaultRegistry, served: str) -> None:
    fault_registry.add(make_schema1((BASE, TOP), tag="2", seed="2"), "team/app", "2")
    cli.ok("pull", "-a", repository_of(served))
    assert sorted(cli.ok("images", "--format", "{{.Tag}}").lines) == ["1", "2"]


def test_the_config_is_everybodys(api: Api, daemon: Daemon, served: str, fault_registry: FaultRegistry,
                                  folder: Path) -> None:
    """What skopeo converts it to has the same config, byte for byte, whatever wrote the image."""
    old = make_schema1(LAYERS, docker_version="1.7.1", tag="old", seed="old")
    fault_registry.add(old, "team/app", "old")
    for tag in ("1", "old"):
        name = f"{repository_of(served)}:{tag}"
        api.pull_well(name)
        skopeo.copy(f"docker://{name}", f"dir:{folder}/{tag}", "--format", "v2s2")
        theirs = json.loads((folder / tag / "manifest.json").read_text())
        ours = json.loads(list_files(daemon.data_root)[inspect(api, name)["Id"]].read_text())
        assert ours["config"] == theirs["config"]
        # They name a layer for each entry that has none, too.
        real = [layer for layer in theirs["layers"] if layer["digest"] != EMPTY_LAYER.digest]
        assert [layer["digest"] for layer in ours["layers"]] == [layer["digest"] for layer in real]


def test_pushed_it_is_an_image_of_schema_2(api: Api, cli: DockerCli, registry: DockerRegistry, served: str,
                                           folder: Path) -> None:
    cli.ok("pull", served)
    target = f"{registry.host}/converted/app:1"
    cli.ok("tag", served, target)
    cli.ok("push", target)
    assert skopeo.read_digest(target) == inspect(api, served)["Id"]
    skopeo.copy(f"docker://{target}", f"dir:{folder}/copy")
    assert skopeo.inspect(target)["Layers"] == list(IMAGE.layers)


def test_saved_and_loaded_it_is_the_same(api: Api, cli: DockerCli, served: str, folder: Path) -> None:
    cli.ok("pull", served)
    before = inspect(api, served)["Id"]
    cli.ok("save", "-o", str(folder / "saved.tar"), served)
    skopeo.copy(f"docker-archive:{folder}/saved.tar", f"dir:{folder}/copy")
    cli.ok("rmi", served)
    cli.ok("load", "-i", str(folder / "saved.tar"))
    assert inspect(api, served)["Id"] == before


def test_its_plan_is_what_is_fetched(api: Api, daemon: Daemon, fault_registry: FaultRegistry, served: str) -> None:
    def plan() -> dict:
        answer = api.get(f"/lighter/v1/remote/{served}/plan")
        assert answer.status == 200, answer.body
        return answer.json()

    before = plan()
    assert list_files(daemon.data_root) == {}
    assert [(blob["Kind"], blob["Digest"], blob["Size"]) for blob in before["Blobs"]] == [
        ("manifest", IMAGE.digest, IMAGE.manifest.size),
        *(("layer", layer.digest, layer.blob.size) for layer in (BASE, TOP))]
    assert before["Fetch"] == IMAGE.manifest.size + BASE.blob.size + TOP.blob.size and not before["UpToDate"]
    fault_registry.requests.clear()
    api.pull_well(served)
    fetched = [request.path.rpartition("/")[2] for request in fault_registry.requests if request.method == "GET"]
    assert sorted(fetched) == sorted(blob["Digest"] for blob in before["Blobs"])
    after = plan()
    assert after["UpToDate"] and after["Reuse"] == BASE.blob.size + TOP.blob.size


def test_layers_of_any_kind(api: Api, daemon: Daemon, fault_registry: FaultRegistry) -> None:
    tar = make_tar({"a": "b"})
    name = fault_registry.add(make_schema1((layer_from_tar(tar, "none"), BASE)), "team/app", "1")
    api.pull_well(name)
    manifest = json.loads(list_files(daemon.data_root)[inspect(api, name)["Id"]].read_text())
    assert [layer["mediaType"] for layer in manifest["layers"]] == [
        "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.diff.tar.gzip"]


@pytest.mark.parametrize("head", [Reply(status=405), Reply(headers={"Docker-Content-Digest": ""}),
                                  Reply(headers={"Content-Type": "text/plain"})], ids=["405", "no digest", "text"])
def test_whatever_head_says(api: Api, fault_registry: FaultRegistry, served: str, head: Reply) -> None:
    fault_registry.on("HEAD", "manifests/1", head)
    assert f"Digest: {IMAGE.digest}" in api.pull_well(served).statuses


@pytest.mark.parametrize("kind", ["application/json", "text/plain; charset=utf-8", UNSIGNED, SIGNED])
def test_whatever_its_type_is(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    name = fault_registry.add(make_schema1(LAYERS, media_type=kind), "team/app", "1")
    assert f"Digest: {IMAGE_DIGEST}" in api.pull_well(name).statuses


IMAGE_DIGEST = make_schema1(LAYERS).digest


# Refused.

def edited(**members: object) -> Schema1Image:
    return make_schema1(LAYERS, edit=lambda document: document.update(members))


def entry_edited(number: int, **members: object) -> Schema1Image:
    """Of the chain, from the base up."""
    chain = make_chain(LAYERS)
    chain[number].update(members)
    return make_schema1(LAYERS, chain=chain)


def with_body(change: Callable[[bytes], bytes]) -> Schema1Image:
    """The digest stays that of the payload."""
    body = change(IMAGE.payload)
    return Schema1Image(Blob(IMAGE.digest, len(body), SIGNED, body), IMAGE.payload, IMAGE.blobs, IMAGE.diff_ids)


BROKEN: dict[str, tuple[Schema1Image, str]] = {
    "signatures of other lengths": (make_schema1(LAYERS, signatures=2, protected=({}, {"formatLength": 1})),
                                    "the signatures are not of the same payload"),
    "signatures with other tails": (make_schema1(LAYERS, signatures=2, protected=({}, {"formatTail": "fQ"})),
                                    "the signatures are not of the same payload"),
    "length beyond the body": (make_schema1(LAYERS, protected=({"formatLength": 99999},)), '"formatLength" is 99999'),
    "negative length": (make_schema1(LAYERS, protected=({"formatLength": -1},)), '"formatLength" is negative'),
    "tail not base64url": (make_schema1(LAYERS, protected=({"formatTail": "!"},)), '"formatTail" is not base64url'),
    "protected not base64url": (with_body(lambda payload: with_signatures(payload, [{"protected": "{}"}])),
                                '"protected" is not base64url'),
    "protected not JSON": (with_body(lambda payload: with_signatures(payload, [{"protected": "e30x"}])),
                           '"protected": syntax error'),
    "no signatures in the list": (with_body(lambda payload: with_signatures(payload, [])), "no signatures"),
    "history and layers": (make_schema1(LAYERS, edit=lambda document: document["history"].pop()),
                           "length of history not equal to number of layers for team/app"),
    "no layers": (edited(fsLayers=[], history=[]), "no FSLayers in manifest for team/app"),
    "history not JSON": (make_schema1(LAYERS, edit=lambda document: document["history"][0].update(v1Compatibility="{")),
                         "v1Compatibility: syntax error"),
    "ID not hex": (entry_edited(2, id="../../etc/passwd"), 'image ID "../../etc/passwd" is invalid'),
    "base with a parent": (entry_edited(0, parent=image_id(7)), "Invalid parent ID in the base layer of the image."),
    "wrong parent": (entry_edited(2, parent=image_id(0)),
                     f"Invalid parent ID. Expected {image_id(1)}, got {image_id(0)}."),
    "repeated ID": (entry_edited(2, id=image_id(0)), f"ID {image_id(0)} appears multiple times in manifest"),
    "other version": (edited(schemaVersion=3), "unrecognized Docker image manifest schema 3"),
    "a manifest of schema 2 as well": (edited(config={}, layers=[]), 'schema 1 manifest has "config"'),
    "an index as well": (edited(manifests=[]), 'schema 1 manifest has "manifests"'),
    "no digest": (edited(fsLayers=[{"blobSum": "latest"}] * 3), "invalid checksum digest format"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_what_is_broken_is_refused(api: Api, daemon: Daemon, fault_registry: FaultRegistry, case: str,
                                   by: str) -> None:
    image, text = BROKEN[case]
    name = fault_registry.add(image, "team/app", "1")
    answer = api.pull(name if by == "tag" else at_digest(name, image))
    assert answer.status == 400 and text in answer.message
    assert count_blobs(fault_registry) == 0
    assert list_files(daemon.data_root) == {} and api.get("/images/json").json() == []


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_the_digest_of_the_signed_body_is_wrong(api: Api, daemon: Daemon, fault_registry: FaultRegistry,
                                                by: str) -> None:
    body = sign(IMAGE.payload)
    claimed = "sha256:" + hashlib.sha256(body).hexdigest()
    wrong = Schema1Image(Blob(claimed, len(body), SIGNED, body), IMAGE.payload, IMAGE.blobs, IMAGE.diff_ids)
    name = fault_registry.add(wrong, "team/app", "1")
    answer = api.pull(name if by == "tag" else at_digest(name, wrong))
    assert answer.status == 500 and answer.message == f"image verification failed for digest {claimed}"
    assert list_files(daemon.data_root) == {}


def test_a_changed_payload_is_refused(api: Api, daemon: Daemon, fault_registry: FaultRegistry, served: str) -> None:
    changed = make_schema1(LAYERS, labels={"kind": "evil"}).manifest.read()
    fault_registry.on("GET", "manifests/.*", Reply(body=changed))
    answer = api.pull(at_digest(served))
    assert answer.status == 500 and answer.message == f"image verification failed for digest {IMAGE.digest}"
    assert list_files(daemon.data_root) == {}


def test_a_layer_that_is_not_there(api: Api, fault_registry: FaultRegistry, served: str) -> None:
    fault_registry.on("GET|HEAD", f"blobs/{TOP.digest}", Reply(status=404))
    answer = api.pull(served)
    assert answer.error == f"blob {TOP.digest} was not found in repository {repository_of(served)}"
    assert api.get("/images/json").json() == []


def test_a_damaged_layer(api: Api, fault_registry: FaultRegistry, served: str) -> None:
    data = TOP.blob.read()
    fault_registry.on("GET", f"blobs/{TOP.digest}", Reply(body=data[:-1] + bytes([data[-1] ^ 1])))
    assert api.pull(served).error is not None
    assert api.get("/images/json").json() == []


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_without_legacy_formats_it_is_refused(make_daemon: Callable[..., Daemon], fault_registry: FaultRegistry,
                                              served: str, by: str) -> None:
    daemon = make_daemon(arguments=("--no-legacy",)).start()
    name = served if by == "tag" else at_digest(served)
    answer = daemon.api.pull(name)
    assert answer.status == 400 and answer.message == REFUSAL.format(name)
    assert all("distribution.manifest.v1" not in request.headers.get("Accept", "")
               for request in fault_registry.requests)
    assert list_files(daemon.data_root) == {}
    daemon.stop()


# Other faces.

def test_a_registrys_clients_are_refused_it(make_embedded: Callable[..., EmbeddedRegistry],
                                            fault_registry: FaultRegistry, served: str) -> None:
    """Nobody could verify its digest with bytes of ours."""
    cache = make_embedded("--registry-upstream", fault_registry.host).start()
    with cache.client() as client:
        for reference in ("1", IMAGE.digest):
            answer = client.get(manifest_at("team/app", reference) + f"?ns={fault_registry.host}")
            assert answer.status == 400, answer.body
            assert "schema 1 support has been removed" in answer.json()["errors"][0]["message"]
    assert list_files(cache.daemon.data_root) == {}
    cache.stop()


def test_what_was_converted_a_registrys_clients_have(make_embedded: Callable[..., EmbeddedRegistry],
                                                     fault_registry: FaultRegistry, served: str) -> None:
    other = make_embedded().start()
    other.daemon.api.pull_well(served)
    image = inspect(other.daemon.api, served)["Id"]
    name = repository_of(served).replace(":", "_")
    with other.client() as client:
        assert client.get(manifest_at(name, "1")).headers["Docker-Content-Digest"] == image
        assert client.get(manifest_at(name, IMAGE.digest)).status == 404
    other.stop()

# SPDX-License-Identifier: Apache-2.0
"""docker load: archives of every tool and age, wholly verified before anything of them is visible; all or nothing."""
from __future__ import annotations

import dataclasses
import gzip
import json
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

from image_maker import (Blob, Image, all_blobs, all_manifests, image_from_blobs, make_config, make_image, make_index,
                         make_layer, sha256, to_json)
from lib import skopeo
from lib.api import Api
from lib.archives import (HardLink, Link, blob_name, compress, docker_manifest, ggcr_archive, hex_of, layout_archive,
                          layout_members, make_archive, old_docker_archive, plain_layers, skopeo_archive)
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.engine_archives import load, load_well, streams
from lib.operations import read_events
from lib.samples import HOST_PLATFORM, OTHER_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.store import check_store, list_files, list_temporaries
from lib.wait import wait_until

IMAGE = make_small_image("load")
PLATFORMS = make_platforms()
TAG = "team/app:1"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def load_tags(api: Api, archive: bytes, *tags: str, **more: object) -> None:
    assert load_well(api, archive, **more) == [f"Loaded image: {tag}" for tag in tags]


def refuse(api: Api, archive: bytes, text: str, **more: object) -> None:
    """The error is a record, in both of its forms, and nothing is left of the archive."""
    before = list_everything(api)
    answer = load(api, archive, **more)
    record = answer.records[-1]
    assert re.search(text, record["errorDetail"]["message"]), record
    assert record["error"] == record["errorDetail"]["message"]
    assert [record for record in answer.records if "stream" in record] == []
    assert list_everything(api) == before


def list_everything(api: Api) -> list:
    return sorted((image["Id"], image["RepoTags"]) for image in api.get("/images/json", {"all": 1}).json())


def schema2_manifest(image: Image, layers: list[bytes], layer_type: str) -> bytes:
    """As containerd makes it of a docker-archive, byte for byte."""
    def text(media_type: str, data: bytes) -> str:
        return f'{{"mediaType":"{media_type}","digest":"{sha256(data)}","size":{len(data)}}}'
    config = text("application/vnd.docker.container.image.v1+json", image.config.read())
    return (f'{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{config},'
            f'"layers":[{",".join(text(layer_type, layer) for layer in layers)}]}}').encode()


def inspect(api: Api, name: str) -> dict:
    answer = api.get(f"/images/{name}/json")
    assert answer.status == 200, answer.body
    return answer.json()


# ---- the archives of the tools --------------------------------------------------------------------------------------

@pytest.mark.parametrize("make", [
    skopeo_archive, old_docker_archive, pytest.param(lambda *a: old_docker_archive(*a, reverse=True), id="reversed")])
def test_a_docker_archive_loads(api: Api, make: Callable[..., bytes]) -> None:
    load_tags(api, make(IMAGE, TAG, "other:latest"), TAG, "other:latest")
    shown = inspect(api, TAG)
    assert shown["Id"] == sha256(schema2_manifest(IMAGE, plain_layers(IMAGE), DOCKER_LAYER))
    assert shown["RootFS"]["Layers"] == [sha256(layer) for layer in plain_layers(IMAGE)]
    assert shown["RepoTags"] == ["other:latest", TAG]
    # The config's bytes are those of the archive.
    assert inspect(api, IMAGE.config.digest)["Id"] == shown["Id"]


def test_a_ggcr_archive_keeps_its_compressed_layers(api: Api, daemon: Daemon) -> None:
    load_tags(api, ggcr_archive(IMAGE, TAG), TAG)
    layers = [layer.read() for layer in IMAGE.layers]
    assert inspect(api, TAG)["Id"] == sha256(schema2_manifest(IMAGE, layers, DOCKER_LAYER + ".gzip"))
    assert {layer.digest for layer in IMAGE.layers} < set(list_files(daemon.data_root))


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz", "zstd"])
def test_a_compressed_archive_loads(api: Api, compression: str) -> None:
    load_tags(api, compress(skopeo_archive(IMAGE, TAG), compression), TAG)


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_layers_keep_their_compression(api: Api, compression: str) -> None:
    image = make_image([make_layer({"a": random_bytes(1, 5000)}, compression)], HOST_PLATFORM)
    layer = image.layers[0].read()
    members = [("l", layer), ("c", image.config.read()), ("manifest.json", docker_manifest("c", ["l"], [TAG]))]
    load_tags(api, make_archive(members), TAG)
    kind = DOCKER_LAYER + {"zstd": ".zstd", "none": ""}[compression]
    assert inspect(api, TAG)["Id"] == sha256(schema2_manifest(image, [layer], kind))


@pytest.mark.parametrize("compression", ["bzip2", "xz"])
def test_layers_without_a_media_type_become_gzip(api: Api, daemon: Daemon, compression: str) -> None:
    layers = [compress(layer, compression) for layer in plain_layers(IMAGE)]
    members = [*zip("ab", layers), ("c", IMAGE.config.read()), ("manifest.json", docker_manifest("c", "ab", [TAG]))]
    load_tags(api, make_archive(members), TAG)
    identity = inspect(api, TAG)["Id"]
    manifest = json.loads(list_files(daemon.data_root)[identity].read_bytes())
    assert [layer["mediaType"] for layer in manifest["layers"]] == [DOCKER_LAYER + ".gzip"] * 2
    stored = [list_files(daemon.data_root)[layer["digest"]].read_bytes() for layer in manifest["layers"]]
    assert [gzip.decompress(layer) for layer in stored] == plain_layers(IMAGE)
    load_tags(api, make_archive(members), TAG)
    assert inspect(api, TAG)["Id"] == identity
    assert not set(list_files(daemon.data_root)) & {sha256(layer) for layer in layers}


def test_names_with_dots_links_and_folders(api: Api) -> None:
    layer, other = plain_layers(IMAGE)
    members = [("./", None), ("./a/", None), ("./a/layer.tar", Link("../b/./real.tar")), ("./hard", HardLink("./b/other")),
               ("./manifest.json", docker_manifest("./c//config", ["a/layer.tar", "hard"], ["docker.io/library/x"])),
               ("./b/real.tar", layer), ("./b/other", other), ("c/d/../config", IMAGE.config.read())]
    load_tags(api, make_archive(members), "x:latest")


def test_one_archive_with_several_images(api: Api, daemon: Daemon) -> None:
    shared = make_layer({"shared": random_bytes("shared", 10_000)}, "none")
    images = [make_image([shared, make_layer({"own": random_bytes(i, 5000)}, "none")], HOST_PLATFORM) for i in range(3)]
    members, items = [], []
    for number, image in enumerate(images):
        names = [f"{layer.digest[7:]}.tar" for layer in image.layers]
        members += zip(names, (layer.read() for layer in image.layers))
        members.append((f"config{number}", image.config.read()))
        tags = [[f"a:{number}", f"b:{number}"], None, []][number]
        items.append({"Config": f"config{number}", "RepoTags": tags, "Layers": names})
    ids = [sha256(schema2_manifest(image, [layer.read() for layer in image.layers], DOCKER_LAYER)) for image in images]
    answer = load(api, make_archive([*members, ("manifest.json", json.dumps(items).encode())]))
    assert streams(answer) == ["Loaded image: a:0\n", "Loaded image: b:0\n", f"Loaded image ID: {ids[1]}\n",
                               f"Loaded image ID: {ids[2]}\n"]
    assert len([digest for digest in list_files(daemon.data_root) if digest == shared.digest]) == 1
    check_store(daemon.data_root)


def test_an_archive_without_images_loads_nothing(api: Api) -> None:
    assert streams(load(api, make_archive([("manifest.json", b"[]")]))) == []
    assert streams(load(api, make_archive([
        ("index.json", b'{"schemaVersion":2,"manifests":null}'), ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]))) == []


# ---- OCI layouts ----------------------------------------------------------------------------------------------------

def make_artifact() -> Image:
    return image_from_blobs([Blob.of(b"{}", "application/vnd.oci.empty.v1+json"),
                             Blob.of(b"a chart", "application/vnd.example.chart")], image_format="oci")


LAYOUTS = {
    "schema2": IMAGE,
    "oci": make_small_image("oci", image_format="oci"),
    "list": PLATFORMS,
    "index": make_index([make_small_image("i", image_format="oci")], image_format="oci", attestations=True),
    "nested": make_index([make_index([make_small_image("n", image_format="oci")], image_format="oci")],
                         image_format="oci"),
    "zstd": make_image([make_layer({"z": random_bytes("z", 9000)}, "zstd")], HOST_PLATFORM, image_format="oci"),
    "artifact": make_artifact(),
}


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_layout_keeps_every_digest(api: Api, daemon: Daemon, kind: str) -> None:
    artifact = LAYOUTS[kind]
    load_tags(api, layout_archive({f"docker.io/{TAG}": artifact}), TAG)
    assert inspect(api, TAG)["Id"] == artifact.digest
    digests = {blob.digest for blob in all_blobs(artifact)} | {each.digest for each in all_manifests(artifact)}
    assert set(list_files(daemon.data_root)) == digests
    check_store(daemon.data_root)


def test_what_names_an_image_in_a_layout(api: Api) -> None:
    names = {"docker.io/library/full:1": IMAGE, "library/short": IMAGE}
    assert streams(load(api, layout_archive(names))) == ["Loaded image: full:1\n", "Loaded image: short:latest\n"]
    reference = "org.opencontainers.image.ref.name"
    load_tags(api, layout_archive({"quay.io/x/y:2": IMAGE}, annotation=reference), "quay.io/x/y:2")
    nameless = [f"Loaded image ID: {IMAGE.digest}\n"]
    assert streams(load(api, layout_archive({"latest": IMAGE}, annotation=reference))) == nameless
    assert streams(load(api, layout_archive({"NOT:VALID": IMAGE}))) == nameless
    assert streams(load(api, layout_archive({None: IMAGE}))) == nameless
    by_digest = f"full@{IMAGE.digest}"
    assert streams(load(api, layout_archive({f"docker.io/library/{by_digest}": IMAGE}))) == [f"Loaded image: {by_digest}\n"]


def test_platforms_that_are_not_there_are_tolerated(api: Api, daemon: Daemon) -> None:
    here = PLATFORMS.image_for(HOST_PLATFORM)
    absent = [each for each in PLATFORMS.manifests if each is not here]
    keep = {blob.digest for blob in all_blobs(here)} | {here.digest}
    # Of one the manifest is there, of the other nothing.
    leave_out = {blob.digest for image in absent for blob in image.blobs} | {absent[1].digest}
    load_tags(api, layout_archive({TAG: PLATFORMS}, leave_out=leave_out - keep), TAG)
    assert inspect(api, TAG)["Id"] == PLATFORMS.digest
    assert set(list_files(daemon.data_root)) == keep | {PLATFORMS.digest, absent[0].digest}
    # What was left out comes with another archive.
    load_tags(api, layout_archive({TAG: PLATFORMS}), TAG)
    platform = json.dumps({"os": "linux", "architecture": OTHER_PLATFORM.split("/")[1]})
    assert api.get(f"/images/{TAG}/json", {"platform": platform}).status == 200


def test_an_index_without_any_platform_is_refused(api: Api) -> None:
    configs = {image.config.digest for image in PLATFORMS.manifests}
    refuse(api, layout_archive({TAG: PLATFORMS}, leave_out=configs), "content digest sha256:.*: not found")


def test_what_skopeo_and_podman_write(api: Api, registry: DockerRegistry, folder: Path) -> None:
    source = registry.add(IMAGE, "load/source", "1")
    for transport in ("docker-archive", "oci-archive"):
        path = folder / f"{transport}.tar"
        tag = f"team/{transport}:1"
        skopeo.copy(f"docker://{source}", f"{transport}:{path}:{tag}")
        load_tags(api, path.read_bytes(), tag)
        assert inspect(api, tag)["RootFS"]["Layers"] == [sha256(layer) for layer in plain_layers(IMAGE)]


# ---- content that is here already -----------------------------------------------------------------------------------

def test_a_layer_may_be_left_out_if_it_is_here(api: Api) -> None:
    load_tags(api, ggcr_archive(IMAGE, "first:1"), "first:1")
    archive = make_archive([("config", IMAGE.config.read()),
                            ("manifest.json", docker_manifest("config", ["gone0", "gone1"], [TAG]))])
    load_tags(api, archive, TAG)
    assert inspect(api, TAG)["Id"] == inspect(api, "first:1")["Id"]
    api.delete("/images/first:1")
    api.delete(f"/images/{TAG}")
    refuse(api, archive, 'layer "gone0" is missing')


def test_a_layout_may_leave_out_what_is_here(api: Api) -> None:
    load_tags(api, layout_archive({"first:1": IMAGE}), "first:1")
    load_tags(api, layout_archive({TAG: IMAGE}, leave_out=[blob.digest for blob in IMAGE.blobs]), TAG)


def test_loading_again_changes_nothing(api: Api, daemon: Daemon) -> None:
    archive = layout_archive({f"docker.io/{TAG}": PLATFORMS})
    load_tags(api, archive, TAG)
    files = {digest: path.stat().st_ino for digest, path in list_files(daemon.data_root).items()}
    load_tags(api, archive, TAG)
    assert {digest: path.stat().st_ino for digest, path in list_files(daemon.data_root).items()} == files


# ---- names ----------------------------------------------------------------------------------------------------------

def test_a_tag_that_moves_is_told(api: Api) -> None:
    other = make_small_image("other")
    load_tags(api, layout_archive({TAG: other}), TAG)
    assert streams(load(api, layout_archive({TAG: IMAGE}))) == [
        f"The image {TAG} already exists, renaming the old one with ID {other.digest} to empty string\n",
        f"Loaded image: {TAG}\n"]
    assert inspect(api, TAG)["Id"] == IMAGE.digest
    assert inspect(api, other.digest)["RepoTags"] == []


@pytest.mark.parametrize("tag", ["BAD:1", "a b", "x:", "team/app@" + IMAGE.digest, "a" * 64, ""])
def test_a_bad_tag_keeps_all_out(api: Api, tag: str) -> None:
    load_tags(api, layout_archive({"kept:1": PLATFORMS}), "kept:1")
    refuse(api, skopeo_archive(IMAGE, "good:1", tag), "invalid tag")
    refuse(api, skopeo_archive(IMAGE, tag, "kept:1"), "invalid tag")
    assert inspect(api, "kept:1")["Id"] == PLATFORMS.digest


def test_each_name_has_an_event(api: Api) -> None:
    load_tags(api, skopeo_archive(IMAGE, "a:1", "b:1"), "a:1", "b:1")
    events = read_events(api)
    identity = inspect(api, "a:1")["Id"]
    assert [(event["Action"], event["Actor"]["ID"]) for event in events] == [("load", identity)] * 2


# ---- platforms ------------------------------------------------------------------------------------------------------

def as_json(platform: str) -> str:
    os_name, architecture, *variant = platform.split("/")
    return json.dumps({"os": os_name, "architecture": architecture, **({"variant": variant[0]} if variant else {})})


def test_one_platform_of_an_archive(api: Api, daemon: Daemon) -> None:
    wanted = PLATFORMS.image_for(OTHER_PLATFORM)
    load_tags(api, layout_archive({TAG: PLATFORMS}), TAG, platform=as_json(OTHER_PLATFORM))
    assert inspect(api, TAG)["Id"] == PLATFORMS.digest
    assert set(list_files(daemon.data_root)) == {PLATFORMS.digest, wanted.digest, *(blob.digest for blob in wanted.blobs)}


def test_several_platforms_of_an_archive(api: Api) -> None:
    query = {"platform": [as_json("linux/amd64"), as_json("linux/arm/v7")]}
    pairs = [("platform", value) for value in query["platform"]]
    archive = layout_archive({TAG: PLATFORMS})
    answer = api.post("/v1.52/images/load", pairs, body=archive)
    assert streams(answer) == [f"Loaded image: {TAG}\n"]
    for platform, status in (("linux/amd64", 200), ("linux/arm/v7", 200), ("linux/arm64", 404)):
        assert api.get(f"/images/{TAG}/json", {"platform": as_json(platform)}).status == status
    refused = api.post("/v1.51/images/load", pairs, body=archive)
    assert refused.status == 400
    assert refused.message == ("multiple platform parameters are not supported in this API version; "
                               "use API version 1.52 or later")


def test_a_platform_that_is_missing(api: Api) -> None:
    absent = PLATFORMS.image_for(OTHER_PLATFORM)
    text = rf"image {TAG} was loaded, but doesn't provide the requested platform \(\[linux/s390x\]\)"
    refuse(api, layout_archive({TAG: PLATFORMS}), text, platform=as_json("linux/s390x"))
    refuse(api, layout_archive({TAG: IMAGE}), text, platform=as_json("linux/s390x"))
    refuse(api, skopeo_archive(IMAGE, TAG), text, platform=as_json("linux/s390x"))
    for leave_out in (absent.digest, absent.config.digest, absent.layers[-1].digest):
        refuse(api, layout_archive({TAG: PLATFORMS}, leave_out=[leave_out]),
               r"requested platform\(s\) \(\[linux/[a-z0-9/]+\]\) found, but some content is missing",
               platform=as_json(OTHER_PLATFORM))


def test_a_missing_attestation_does_not_matter(api: Api) -> None:
    index = LAYOUTS["index"]
    leave_out = {blob.digest for blob in index.manifests[1].blobs} | {index.manifests[1].digest}
    load_tags(api, layout_archive({TAG: index}, leave_out=leave_out), TAG, platform=as_json(HOST_PLATFORM))


def test_old_clients_platform_means_nothing(api: Api) -> None:
    load_tags(api, layout_archive({TAG: PLATFORMS}), TAG, version="/v1.47", platform="not json")
    answer = api.post("/v1.48/images/load", {"platform": "not json"}, body=layout_archive({TAG: PLATFORMS}))
    assert answer.status == 400
    assert answer.message.startswith("failed to parse platform")


# ---- progress and framing -------------------------------------------------------------------------------------------

def test_progress_is_told_only_when_asked_for(api: Api) -> None:
    image = make_small_image("progress", layers=1, layer_bytes=2_000_000)
    archive = skopeo_archive(image, TAG)
    size = len(plain_layers(image)[0])
    for quiet in ({}, {"quiet": "1"}, {"quiet": "True"}):
        assert [record for record in load(api, archive, **quiet).records if "status" in record] == []
    api.delete(f"/images/{TAG}")
    records = [record for record in load(api, archive, quiet="0").records if "status" in record]
    assert {record["status"] for record in records} == {"Loading layer"}
    assert {record["id"] for record in records} == {hex_of(plain_layers(image)[0])[:12]}
    assert {record["progressDetail"]["total"] for record in records} == {size}
    assert records[-1]["progressDetail"]["current"] == size


def test_the_body_is_raw_whatever_its_type(api: Api) -> None:
    archive = skopeo_archive(IMAGE, TAG)
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
        answer = api.post("/images/load", {}, {"Content-Type": content_type}, archive)
        assert streams(answer) == [f"Loaded image: {TAG}\n"]


def test_a_client_that_waits_for_continue(api: Api) -> None:
    archive = skopeo_archive(IMAGE, TAG)
    with api.connect() as connection:
        connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: docker\r\nExpect: 100-continue\r\n"
                           b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(archive))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(archive)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"200 OK" in received and b"Loaded image: " in received


def test_a_client_that_reads_nothing_before_it_has_sent_all(daemon: Daemon) -> None:
    """As python-requests does; the progress of many layers must not fill the socket for ever."""
    layers = [make_layer({f"f{number}": b""}, "none") for number in range(120)]
    images = [make_image(layers, HOST_PLATFORM, labels={"n": str(number)}) for number in range(1)]
    big = make_archive([(f"dir{copy}/{layer.digest[7:]}.tar", layer.blob.read()) for copy in range(20) for layer in layers]
                       + [("c", images[0].config.read()),
                          ("manifest.json", docker_manifest("c", [f"dir0/{layer.digest[7:]}.tar" for layer in layers], [TAG]))])
    answer = Api(daemon.socket, timeout=30).post("/images/load", {"quiet": "0"}, body=big)
    assert streams(answer) == [f"Loaded image: {TAG}\n"]


# ---- clients --------------------------------------------------------------------------------------------------------

def test_the_docker_command(cli: DockerCli, folder: Path) -> None:
    (folder / "a.tar").write_bytes(skopeo_archive(IMAGE, TAG))
    assert cli.ok("load", "-i", str(folder / "a.tar")).out == f"Loaded image: {TAG}\n"
    assert cli.ok("load", "-q", "-i", str(folder / "a.tar")).out == f"Loaded image: {TAG}\n"
    (folder / "bad.tar").write_bytes(b"x" * 5000)
    assert "unexpected EOF" in cli.fails("load", "-i", str(folder / "bad.tar"))
    assert cli.ok("images", "-q", "--no-trunc").out.strip() == inspect_id(cli)


def inspect_id(cli: DockerCli) -> str:
    return cli.json("image", "inspect", TAG)[0]["Id"]


@pytest.fixture
def client(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[docker.DockerClient]:
    monkeypatch.setenv("DOCKER_HOST", daemon.host)
    client = docker.from_env()
    yield client
    client.close()


def test_python_docker(client: docker.DockerClient) -> None:
    loaded = client.images.load(layout_archive([(TAG, IMAGE), (None, make_small_image("nameless"))]))
    assert [image.tags for image in loaded] == [[TAG], []]
    assert loaded[0].id == IMAGE.digest
    with pytest.raises(docker.errors.ImageLoadError):
        client.images.load(b"abc")


# ---- what is wrong with an archive ----------------------------------------------------------------------------------

def members_of(image: Image, tag: str = TAG, **replaced: bytes | None) -> list:
    """A small docker-archive whose members can be replaced or left out."""
    names = [f"layer{number}" for number in range(len(image.layers))]
    members = {**dict(zip(names, plain_layers(image))), "config": image.config.read(),
               "manifest": docker_manifest("config", names, [tag])}
    members.update(replaced)
    return [("manifest.json" if name == "manifest" else name, data) for name, data in members.items() if data is not None]


def with_config(**changes: object) -> bytes:
    return to_json({**json.loads(IMAGE.config.read()), **changes})


LAYER = plain_layers(IMAGE)[0]
DIFF_ID = sha256(LAYER)
WRONG = {
    "nothing": (b"", "unrecognized image format"),
    "abc": (b"abc", "^unexpected EOF"),
    "garbage": (random_bytes("g", 10_000), "^unexpected EOF"),
    "truncated": (skopeo_archive(IMAGE, TAG)[:30_000], "^unexpected EOF"),
    "truncated gzip": (gzip.compress(skopeo_archive(IMAGE, TAG))[:-100], "^unexpected EOF"),
    "no documents": (make_archive([("a", b"b")]), "unrecognized image format"),
    "legacy": (make_archive([("repositories", b"{}"), ("x/json", b"{}")]), "does not contain a manifest.json"),
    "null": (make_archive([("manifest.json", b"null")]), r"manifest cannot be null \(but can be \[\]\)"),
    "object": (make_archive([("manifest.json", b"{}")]), "invalid manifest"),
    "two manifests": (make_archive([("manifest.json", b"[]"), ("manifest.json", b"[]")]), "twice"),
    "two ways to write it": (make_archive([("manifest.json", b"[]"), ("./manifest.json", b"[ ]")]), "twice"),
    "no config": (make_archive(members_of(IMAGE, config=None)), 'config "config" is missing'),
    "no layer": (make_archive(members_of(IMAGE, layer1=None)), 'layer "layer1" is missing'),
    "wrong diff ID": (make_archive(members_of(IMAGE, layer0=LAYER + bytes(512))),
                      f'invalid diffID for layer 0: expected "{DIFF_ID}", got "sha256:[0-9a-f]+"'),
    "damaged gzip layer": (make_archive(members_of(IMAGE, layer0=gzip.compress(LAYER)[:-9])), "ends early"),
    "too few layers": (make_archive(members_of(IMAGE, manifest=docker_manifest("config", ["layer0"], [TAG]))),
                       "layers length mismatch: expected 1, got 2"),
    "config without rootfs": (make_archive(members_of(IMAGE, config=with_config(rootfs=None))), "rootfs"),
    "config of another type": (make_archive(members_of(IMAGE, config=b"[1]")), "image config"),
    "config with a key twice": (make_archive(members_of(IMAGE, config=b'{"rootfs":{},"rootfs":{}}')), "duplicate key"),
    "layout version": (make_archive([("oci-layout", b'{"imageLayoutVersion":"2.0.0"}')]), "unsupported OCI version 2.0.0"),
    "no index": (make_archive([("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]), "missing index.json in OCI layout 1.0.0"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_an_error_record(api: Api, kind: str) -> None:
    archive, text = WRONG[kind]
    refuse(api, archive, text)


def replaced(members: list, name: str, data: bytes) -> bytes:
    return make_archive([(each, data if each == name else content) for each, content in members])


def test_a_blob_that_is_not_what_its_name_says(api: Api) -> None:
    members = layout_members({TAG: IMAGE})
    for blob in (IMAGE.manifest, *IMAGE.blobs):
        data = blob.read()
        wrong = data[:-1] + bytes([data[-1] ^ 1])
        refuse(api, replaced(members, blob_name(blob.digest), wrong), "content verification failed for digest")
        refuse(api, replaced(members, blob_name(blob.digest), data + b" "), "content verification failed for digest")


def test_a_descriptor_with_a_wrong_size(api: Api) -> None:
    manifest = json.loads(IMAGE.manifest.read())
    for change in (lambda m: m["config"].update(size=1), lambda m: m["layers"][0].update(size=2 ** 62)):
        changed = json.loads(json.dumps(manifest))
        change(changed)
        image = dataclasses.replace(IMAGE, manifest=Blob.of(to_json(changed), IMAGE.manifest.media_type))
        refuse(api, layout_archive({TAG: image}), "size of sha256:")


def test_a_layout_with_a_wrong_diff_id(api: Api) -> None:
    layer = make_layer({"a": b"b"})
    config = Blob.of(to_json(make_config([make_layer({"c": b"d"})])), "application/vnd.docker.container.image.v1+json")
    image = image_from_blobs([config, layer.as_blob("docker")])
    refuse(api, layout_archive([(TAG, IMAGE), ("bad:1", image)]), "invalid diffID for layer 0")


def test_documents_that_could_be_read_in_two_ways(api: Api) -> None:
    both = {**json.loads(IMAGE.manifest.read()), "manifests": []}
    image = dataclasses.replace(IMAGE, manifest=Blob.of(to_json(both), IMAGE.manifest.media_type))
    refuse(api, layout_archive({TAG: image}), "expected manifest but found index")


# ---- clients and daemons that go away -------------------------------------------------------------------------------

def big_archive() -> tuple[Image, bytes]:
    image = make_small_image("big", layers=3, layer_bytes=3_000_000)
    return image, skopeo_archive(image, TAG)


def start_load(api: Api, archive: bytes, sent: int):
    connection = api.connect()
    connection.sendall(b"POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Length: %d\r\n\r\n" % len(archive))
    connection.sendall(archive[:sent])
    return connection


def test_a_client_that_leaves_in_the_middle(daemon: Daemon) -> None:
    _, archive = big_archive()
    connection = start_load(daemon.api, archive, 5_000_000)
    wait_until(lambda: list_temporaries(daemon.data_root), "a member is being written")
    connection.close()
    wait_until(lambda: not list_temporaries(daemon.data_root), "nothing is left in ingest/")
    assert list_everything(daemon.api) == []
    assert list_files(daemon.data_root) == {}
    load_tags(daemon.api, archive, TAG)


def kill(daemon: Daemon) -> None:
    daemon.kill()


def stop(daemon: Daemon) -> None:
    daemon.terminate(signal.SIGTERM)
    assert daemon.wait() == 0
    assert list_temporaries(daemon.data_root) == [], "it leaves nothing to clean up"


@pytest.mark.parametrize("end", [kill, stop])
def test_the_end_of_the_daemon_in_the_middle(daemon: Daemon, end: Callable[[Daemon], None]) -> None:
    _, archive = big_archive()
    connection = start_load(daemon.api, archive, 5_000_000)
    wait_until(lambda: list_temporaries(daemon.data_root), "a member is being written")
    end(daemon)
    connection.close()
    daemon.start()
    assert list_temporaries(daemon.data_root) == []
    assert list_everything(daemon.api) == []
    assert list_files(daemon.data_root) == {}
    load_tags(daemon.api, archive, TAG)


def test_what_was_acknowledged_survives_the_daemon(daemon: Daemon) -> None:
    image, archive = big_archive()
    load_tags(daemon.api, archive, TAG)
    daemon.kill()
    daemon.start()
    assert inspect(daemon.api, TAG)["RootFS"]["Layers"] == [sha256(layer) for layer in plain_layers(image)]
    check_store(daemon.data_root)

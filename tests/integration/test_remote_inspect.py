# SPDX-License-Identifier: Apache-2.0
"""What a registry has, without pulling it: beside skopeo, and with how many requests."""
from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from image_maker import (Artifact, Blob, Image, make_artifact, make_attestation, make_config, make_image, make_index,
                         make_layer)
from lib import skopeo
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_registry import DockerRegistry
from lib.embedded_registry import EmbeddedRegistry
from lib.fault_registry import FaultRegistry, Reply
from lib.lighter_cli import LighterCli
from lib.registry_front import RegistryFront
from lib.remote import ask, ask_in_vain, ask_well
from lib.samples import HOST_PLATFORM, OTHER_PLATFORM, make_platforms, make_small_image, random_bytes
from lib.store import list_files

NO_TIME = "0001-01-01T00:00:00Z"  # as Go prints it
# The field of skopeo's, and what it is made of here.
SAME_AS_SKOPEO: dict[str, Callable[[dict], object]] = {
    "Name": lambda shown: shown["Name"],
    "Digest": lambda shown: shown["Digest"],
    "RepoTags": lambda shown: shown["RepoTags"],
    "Created": lambda shown: shown.get("Created", NO_TIME),
    "DockerVersion": lambda shown: shown["DockerVersion"],
    "Labels": lambda shown: shown["Labels"],
    "Architecture": lambda shown: shown["Architecture"],
    "Os": lambda shown: shown["Os"],
    "Layers": lambda shown: [layer["Digest"] for layer in shown["Layers"]],
    "LayersData": lambda shown: [{"MIMEType": layer["MediaType"], "Digest": layer["Digest"], "Size": layer["Size"],
                                  "Annotations": None} for layer in shown["Layers"]],
    "Env": lambda shown: shown["Env"],
}

LAYERS = [make_layer({"file": random_bytes(number, 3000)}) for number in range(3)]
PLATFORMS = make_platforms(attestations=True, image_format="oci")
ARTIFACT = make_artifact("application/vnd.example.sbom", [Blob.of(b'{"sbom": true}', "application/spdx+json")],
                         annotations={"made": "by hand"})


def make_with(image_format: str = "docker", **members: object) -> Image:
    """With other members at the top of its config; None takes one away."""
    config = {**make_config(LAYERS, HOST_PLATFORM, labels={"a": "b"}), **members}
    return make_image(LAYERS, HOST_PLATFORM, image_format=image_format,
                      config={key: value for key, value in config.items() if value is not None})


IMAGES: dict[str, Artifact] = {
    "schema2": make_small_image("inspect"),
    "oci": make_small_image("inspect", image_format="oci"),
    "list": make_platforms("list"),
    "index": PLATFORMS,
    "nested": make_index([make_platforms("nested", image_format="oci")], image_format="oci"),
    "old-docker": make_with(docker_version="1.9.1", author="somebody <a@b>"),
    "nanoseconds": make_with(created="2024-05-06T07:08:09.123456789Z"),
    "no-created": make_with(created=None),
    "no-config": make_with(config=None),
    "no-labels": make_with(config={"Cmd": ["/x"]}),
    "empty-labels": make_with(config={"Labels": {}, "Env": []}),
    "odd-labels": make_with("oci", config={"Labels": {"b": "", "a": "\u00e9 <&> \"", "": "x"}, "Env": ["A=\u00fc"]}),
    "variant": make_with("oci", variant="v2"),
    "repeated-layers": make_image([LAYERS[0], LAYERS[1], LAYERS[0]], HOST_PLATFORM, labels={"x": "y"}),
}


@pytest.fixture(scope="module")
def name(registry: DockerRegistry) -> str:
    """A repository with all of the images, each under its tag."""
    for tag, image in IMAGES.items():
        registry.add(image, "remote/images", tag)
    return f"{registry.host}/remote/images"


def kinds(front: FaultRegistry) -> list[str]:
    """What was asked for: "manifests", "tags", "blobs" ...; in order."""
    shown = [re.fullmatch(r"/v2/(?:.+/(manifests|blobs|tags|referrers)/[^/]+)?", request.url_path)
             for request in front.requests]
    return [match[1] or "ping" if match else "?" for match in shown]


# ---- beside skopeo --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("tag", IMAGES)
def test_every_field_of_skopeo(api: Api, name: str, tag: str) -> None:
    theirs = skopeo.inspect(f"{name}:{tag}")
    ours = ask_well(api, f"{name}:{tag}", "inspect")
    assert {field: SAME_AS_SKOPEO[field](ours) for field in theirs} == theirs
    assert ours["Tag"] == tag


@pytest.mark.parametrize("tag", ["list", "index"])
@pytest.mark.parametrize("options, platform", [
    (("--override-arch", "amd64"), "linux/amd64"), (("--override-arch", "arm64"), "linux/arm64"),
    (("--override-arch", "arm", "--override-variant", "v7", "--override-os", "linux"), "linux/arm/v7")])
def test_every_field_of_skopeo_for_a_platform(api: Api, name: str, tag: str, options: tuple[str, ...],
                                              platform: str) -> None:
    theirs = json.loads(skopeo.run_skopeo(*options, "inspect", "--tls-verify=false", f"docker://{name}:{tag}"))
    ours = ask_well(api, f"{name}:{tag}", "inspect", {"platform": platform})
    assert {field: SAME_AS_SKOPEO[field](ours) for field in theirs} == theirs


def test_an_image_by_digest_beside_skopeo(api: Api, name: str) -> None:
    digest = IMAGES["oci"].digest
    theirs = skopeo.inspect(f"{name}@{digest}")
    ours = ask_well(api, f"{name}@{digest}", "inspect")
    assert {field: SAME_AS_SKOPEO[field](ours) for field in theirs} == theirs
    assert ours["Tag"] == ""
    assert ask_well(api, name, "inspect", {"id": digest}) == ours


@pytest.mark.parametrize("tag", ["schema2", "oci", "old-docker"])
def test_the_config_is_that_of_the_registry(api: Api, name: str, tag: str) -> None:
    config = json.loads(skopeo.run_skopeo("inspect", "--config", "--raw", "--tls-verify=false",
                                           f"docker://{name}:{tag}"))
    shown = ask_well(api, f"{name}:{tag}", "inspect")
    assert {key: shown["Config"].get(key) for key in config["config"]} == config["config"]
    assert shown["Author"] == config["author"]
    assert [(entry["CreatedBy"], entry["EmptyLayer"]) for entry in shown["History"]] == [
        (entry["created_by"], entry.get("empty_layer", False)) for entry in config["history"]]


# ---- what skopeo does not show --------------------------------------------------------------------------------------

def test_times_are_shown_in_utc(api: Api, registry: DockerRegistry) -> None:
    name = registry.add(make_with(created="2024-05-06T07:08:09.123456789+02:00"), "remote/zone", "1")
    assert skopeo.inspect(name)["Created"] == "2024-05-06T07:08:09.123456789+02:00"
    assert ask_well(api, name, "inspect")["Created"] == "2024-05-06T05:08:09.123456789Z"


@pytest.mark.parametrize("tag", ["schema2", "oci"])
def test_a_manifest(api: Api, name: str, tag: str) -> None:
    image = IMAGES[tag]
    shown = ask_well(api, f"{name}:{tag}", "inspect")
    assert (shown["Digest"], shown["MediaType"], shown["Size"]) == (
        image.digest, image.manifest.media_type, image.manifest.size)
    assert (shown["ManifestDigest"], shown["ConfigDigest"]) == (image.digest, image.config.digest)
    assert shown["Layers"] == [{"Digest": blob.digest, "MediaType": blob.media_type, "Size": blob.size}
                               for blob in image.layers]
    assert shown["LayersTotalSize"] == sum(blob.size for blob in image.layers)
    assert (shown["Platforms"], shown["Referrers"], shown["ArtifactType"]) == ([], None, "")


@pytest.mark.parametrize("query, platform", [({}, HOST_PLATFORM), ({"platform": OTHER_PLATFORM}, OTHER_PLATFORM),
                                             ({"platform": "linux/arm/v7"}, "linux/arm/v7")])
def test_an_index(api: Api, name: str, query: dict, platform: str) -> None:
    image = PLATFORMS.image_for(platform)
    shown = ask_well(api, f"{name}:index", "inspect", query)
    assert (shown["Digest"], shown["MediaType"], shown["Size"]) == (
        PLATFORMS.digest, PLATFORMS.manifest.media_type, PLATFORMS.manifest.size)
    assert (shown["ManifestDigest"], shown["ConfigDigest"]) == (image.digest, image.config.digest)
    assert [shown["Os"], shown["Architecture"], shown["Variant"]] == (platform.split("/") + [""])[:3]
    assert shown["Platforms"] == [
        {"Platform": platform_of(child), "Digest": child.digest, "MediaType": child.manifest.media_type,
         "Size": child.manifest.size} for child in PLATFORMS.manifests]


def platform_of(image: Artifact) -> str:
    return "/".join(image.platform[key] for key in ("os", "architecture", "variant") if key in image.platform)


def test_every_platform(api: Api, front: FaultRegistry, name: str) -> None:
    shown = ask_well(api, front.name_of(f"{name}:index"), "inspect", {"platform": "all"})
    images = [child for child in PLATFORMS.manifests if child.platform["os"] != "unknown"]
    assert [entry["Digest"] for entry in shown["Platforms"]] == [child.digest for child in PLATFORMS.manifests]
    described = [entry for entry in shown["Platforms"] if entry.get("Image")]
    assert [entry["Image"]["ConfigDigest"] for entry in described] == [image.config.digest for image in images]
    for entry, image in zip(described, images):
        alone = ask_well(api, f"{name}:index", "inspect", {"platform": platform_of(image)})
        about = entry["Image"]
        assert about == {key: alone[key] for key in about}, "as when it is asked for alone"
        assert {"Created", "Labels", "Layers", "Env", "History", "ManifestDigest"} <= about.keys()
    layers = {blob.digest for image in images for blob in image.layers}
    assert not [request for request in front.requests if request.path.rpartition("/")[2] in layers]


def test_thousands_of_labels(api: Api, registry: DockerRegistry) -> None:
    labels = {f"org.example.label-{number:05}": f"value of {number}" for number in range(20_000)}
    name = registry.add(make_image(LAYERS[:1], HOST_PLATFORM, labels=labels), "remote/labels", "1")
    shown = ask_well(api, name, "inspect")
    assert shown["Labels"] == shown["Config"]["Labels"] == labels


def test_more_platforms_than_are_described(api: Api, fault_registry: FaultRegistry) -> None:
    index = make_index([make_image(LAYERS[:1], f"linux/arch{number}") for number in range(65)])
    name = fault_registry.add(index, "remote/many-platforms", "1")
    status, text = ask_in_vain(api, name, "inspect", {"platform": "all"})
    assert (status, text) == (400, "the index has too many platforms to describe them all")
    assert len(ask_well(api, name, "inspect", {"platform": "linux/arch64"})["Platforms"]) == 65


def test_a_platform_that_there_is_not(api: Api, name: str) -> None:
    status, text = ask_in_vain(api, f"{name}:index", "inspect", {"platform": "linux/s390x"})
    assert status == 404
    assert text == ("no supported platform found in manifest list; there is linux/amd64, linux/arm64/v8,"
                    " linux/arm/v7")


def test_an_index_without_the_hosts_platform_by_default(api: Api, registry: DockerRegistry) -> None:
    other = registry.add(make_index([make_image(LAYERS, "linux/s390x")]), "remote/other", "1")
    status, text = ask_in_vain(api, other, "inspect")
    assert status == 404
    assert text == "no supported platform found in manifest list; there is linux/s390x"


@pytest.mark.parametrize("platform", ["nonsense", "a/b/c/d"])
def test_a_platform_that_is_none(api: Api, name: str, platform: str) -> None:
    assert ask_in_vain(api, f"{name}:index", "inspect", {"platform": platform})[0] == 400


def test_an_artifact(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    artifact = registry.add(ARTIFACT, "remote/artifact", "1")
    shown = ask_well(api, front.name_of(artifact), "inspect")
    assert (shown["Digest"], shown["MediaType"]) == (skopeo.read_digest(artifact), ARTIFACT.manifest.media_type)
    assert shown["ArtifactType"] == "application/vnd.example.sbom"
    raw = json.loads(skopeo.read_manifest(artifact))
    assert shown["Layers"] == [{"Digest": layer["digest"], "MediaType": layer["mediaType"], "Size": layer["size"]}
                               for layer in raw["layers"]]
    assert shown["RepoTags"] == ["1"]
    assert (shown["Labels"], shown["Env"], shown["Architecture"], shown["Os"]) == (None, None, "", "")
    assert "Created" not in shown
    assert not [request for request in front.requests if ARTIFACT.layers[0].digest in request.path]
    # Nothing to compare: that skopeo shows images only.
    with pytest.raises(AssertionError, match="unsupported image-specific operation on artifact"):
        skopeo.inspect(artifact)


# ---- how many requests ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("tag, query, expected", [
    ("schema2", {}, ["manifests", "blobs", "tags"]),
    ("schema2", {"tags": "0"}, ["manifests", "blobs"]),
    ("oci", {}, ["manifests", "blobs", "tags"]),
    ("index", {}, ["manifests", "manifests", "blobs", "tags"]),
    ("index", {"tags": "0", "platform": OTHER_PLATFORM}, ["manifests", "manifests", "blobs"])])
def test_how_many_requests_an_inspect_makes(api: Api, daemon: Daemon, front: RegistryFront, name: str, tag: str,
                                            query: dict, expected: list[str]) -> None:
    shown = ask_well(api, front.name_of(f"{name}:{tag}"), "inspect", query)
    assert sorted(kinds(front)) == sorted(expected)
    blobs = [request.path.rpartition("/")[2] for request in front.requests if "/blobs/" in request.path]
    assert blobs == [shown["ConfigDigest"]], "no layer"
    assert (shown["RepoTags"] is None) == (query.get("tags") == "0")
    assert list_files(daemon.data_root) == {}, "nothing of it is kept"


def test_how_many_requests_the_tags_make(api: Api, front: RegistryFront, name: str) -> None:
    shown = ask_well(api, front.name_of(name), "tags")
    assert shown == {"Name": front.name_of(name), "Tags": skopeo_tags(name)}
    assert kinds(front) == ["tags"]


def skopeo_tags(name: str) -> list[str]:
    return json.loads(skopeo.run_skopeo("list-tags", "--tls-verify=false", f"docker://{name}"))["Tags"]


# ---- which image ----------------------------------------------------------------------------------------------------

def test_without_a_tag_it_is_latest(api: Api, registry: DockerRegistry, front: RegistryFront) -> None:
    for tag in ("a", "latest", "z"):
        image = make_small_image(tag)
        registry.add(image, "remote/with-latest", tag)
    name = front.name_of(f"{registry.host}/remote/with-latest")
    for query in ({}, {"tags": "0"}):
        shown = ask_well(api, name, "inspect", query)
        assert (shown["Tag"], shown["Labels"]) == ("latest", {"seed": "latest"})
    front.forget_requests()
    ask_well(api, name, "inspect")
    assert sorted(kinds(front)) == ["blobs", "manifests", "tags"]


def test_without_latest_it_is_the_first_tag(api: Api, fault_registry: FaultRegistry) -> None:
    for tag in ("b", "a", "c"):
        name = fault_registry.add(make_small_image(tag), "remote/without-latest", tag).rpartition(":")[0]
    shown = ask_well(api, name, "inspect")
    assert (shown["Tag"], shown["Labels"], shown["RepoTags"]) == ("a", {"seed": "a"}, ["a", "b", "c"])
    # Who does not want the tags has none to choose from.
    assert ask_in_vain(api, name, "inspect", {"tags": "0"}) == (
        404, f"the default tag latest has not been set on repository {name}")


@pytest.mark.parametrize("tags", [None, []])
def test_without_any_tag(api: Api, fault_registry: FaultRegistry, tags: list | None) -> None:
    fault_registry.on("GET", "tags/list", Reply(status=200, body=json.dumps({"name": "x", "tags": tags}).encode()))
    name = f"{fault_registry.host}/remote/empty"
    assert ask_in_vain(api, name, "inspect") == (404, f"No tags available for remote repository {name}")
    assert ask_well(api, name, "tags") == {"Name": name, "Tags": []}


def test_a_digest_beside_a_tag_counts(api: Api, name: str) -> None:
    digest = IMAGES["oci"].digest
    assert ask_well(api, f"{name}:schema2@{digest}", "inspect")["Digest"] == digest


# ---- referrers ------------------------------------------------------------------------------------------------------

def test_referrers_where_the_registry_lists_them(api: Api, embedded: EmbeddedRegistry, repository: str) -> None:
    subject = make_small_image("referred", image_format="oci")
    name = embedded.add(subject, repository, "1")
    sbom = make_artifact("application/vnd.example.sbom", subject=subject, annotations={"a": "b"})
    embedded.add(sbom, repository, None)
    assert ask_well(api, name, "inspect")["Referrers"] is None
    assert ask_well(api, name, "inspect", {"referrers": "1"})["Referrers"] == [
        {"mediaType": sbom.manifest.media_type, "digest": sbom.digest, "size": sbom.manifest.size,
         "artifactType": "application/vnd.example.sbom", "annotations": {"a": "b"}}]


def test_referrers_of_an_index_are_those_of_the_index(api: Api, embedded: EmbeddedRegistry, repository: str) -> None:
    index = make_platforms("referred", image_format="oci")
    name = embedded.add(index, repository, "1")
    embedded.add(make_artifact("application/x.of-a-child", subject=index.image_for(HOST_PLATFORM)), repository, None)
    of_index = make_artifact("application/x.of-the-index", subject=index)
    embedded.add(of_index, repository, None)
    assert [entry["digest"] for entry in ask_well(api, name, "inspect", {"referrers": "1"})["Referrers"]] == [
        of_index.digest]


def test_referrers_by_tag_where_the_registry_does_not_list_them(api: Api, registry: DockerRegistry) -> None:
    subject = make_small_image("referred-by-tag", image_format="oci")
    name = registry.add(subject, "remote/referred", "1")
    signature = make_artifact("application/vnd.example.signature", subject=subject)
    registry.add(make_index([signature], image_format="oci"), "remote/referred", subject.digest.replace(":", "-"))
    assert [entry["digest"] for entry in ask_well(api, name, "inspect", {"referrers": "1"})["Referrers"]] == [
        signature.digest]


def test_no_referrers(api: Api, registry: DockerRegistry, embedded: EmbeddedRegistry, repository: str) -> None:
    image = make_small_image("lonely", image_format="oci")
    for server in (registry, embedded):
        name = server.add(image, repository, "1")
        assert ask_well(api, name, "inspect", {"referrers": "1"})["Referrers"] == []


# ---- the embedded registry ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("tag", ["schema2", "oci", "index"])
def test_our_own_registry(api: Api, embedded: EmbeddedRegistry, tag: str) -> None:
    name = embedded.add(IMAGES[tag], "remote/own", tag)
    theirs = skopeo.inspect(name)
    ours = ask_well(api, name, "inspect")
    assert {field: SAME_AS_SKOPEO[field](ours) for field in theirs} == theirs


# ---- the command ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("tag", IMAGES)
def test_lighter_inspect_equals_skopeo(lighter: LighterCli, name: str, tag: str) -> None:
    theirs = skopeo.inspect(f"{name}:{tag}")
    ours = lighter.document("inspect", f"{name}:{tag}")
    assert {field: SAME_AS_SKOPEO[field](ours) for field in theirs} == theirs


def test_lighter_says_what_the_daemon_says(api: Api, lighter: LighterCli, front: RegistryFront, name: str) -> None:
    name = front.name_of(name)
    tags = ask_well(api, name, "tags")
    assert lighter.document("tags", name) == tags
    assert lighter.ok("tags", name).lines == tags["Tags"]
    for options, query in ((("--platform", "all"), {"platform": "all"}), (("--no-tags",), {"tags": "0"}),
                           (("--referrers",), {"referrers": "1"}), (("--platform", OTHER_PLATFORM),
                                                                    {"platform": OTHER_PLATFORM})):
        shown = ask_well(api, f"{name}:index", "inspect", query)
        assert lighter.document("inspect", *options, f"{name}:index") == shown
    digest = IMAGES["oci"].digest
    assert lighter.document("inspect", "--id", digest, name) == ask_well(api, name, "inspect", {"id": digest})
    front.forget_requests()
    lighter.ok("inspect", f"{name}:schema2")
    assert sorted(kinds(front)) == ["blobs", "manifests", "tags"]


# ---- requests that are none -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("what", ["tags", "inspect", "plan"])
def test_names_that_are_none(api: Api, what: str) -> None:
    assert ask_in_vain(api, "BAD", what)[0] == 400
    assert ask(api, "x/y", what + "/").status == 404
    assert api.get(f"/v1.44/lighter/v1/remote/x/{what}").message == "page not found"


@pytest.mark.parametrize("query", [{"id": "sha256:zz"}, {"id": "latest"}, {"id": "a" * 63}])
def test_ids_that_are_none(api: Api, name: str, query: dict) -> None:
    assert ask_in_vain(api, name, "inspect", query)[0] == 400


def test_an_index_of_attestations_only(api: Api, registry: DockerRegistry) -> None:
    image = make_small_image("attested", image_format="oci")
    name = registry.add(make_index([make_attestation(image)], image_format="oci"), "remote/attestations", "1")
    assert ask_in_vain(api, name, "inspect")[0] == 404

# SPDX-License-Identifier: Apache-2.0
"""Several platforms of one image side by side, with the docker CLI, python3-docker and the API itself."""
from __future__ import annotations

import json
import re

import docker
import pytest

from image_maker import PREDICATE_TYPE, make_attestation, make_image, make_index, make_layer
from lib.api import Api
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import DockerRegistry
from lib.operations import platform_json, push
from lib.samples import make_platforms
from lib.store import list_files

PLATFORMS = make_platforms(attestations=True, image_format="oci")
AMD64, ARM64, ARM = (PLATFORMS.image_for(name) for name in ("linux/amd64", "linux/arm64/v8", "linux/arm/v7"))


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    return registry.add(PLATFORMS, "platforms/app", "1")


def available(api: Api, name: str) -> dict[str, bool]:
    """By platform; attestations by what they are about."""
    image = api.get(f"/v1.48/images/{name}/json", {"manifests": "1"}).json()
    shown = {}
    for entry in image["Manifests"]:
        if entry["Kind"] == "image":
            platform = entry["ImageData"]["Platform"]
            shown["/".join(platform[key] for key in ("os", "architecture", "variant") if key in platform)] = entry["Available"]
        else:
            shown["about " + entry["AttestationData"]["For"]] = entry["Available"]
    return shown


def platforms_here(api: Api, name: str) -> list[str]:
    return [platform for platform, here in available(api, name).items() if here and not platform.startswith("about")]


def tree(cli: DockerCli) -> dict[str, tuple[str, str]]:
    """Of `docker image ls --tree`: ID and content size of each row."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", cli.ok("image", "ls", "--tree").out)
    rows = re.findall(r"^(?:[├└]─ )?(\S+) +([0-9a-f]{12}) +\S+ +(\S+)", text, re.MULTILINE)
    return {name: (digest, size) for name, digest, size in rows}


# ---- pull -----------------------------------------------------------------------------------------------------------

def test_a_second_platform_is_added_and_replaces_nothing(cli: DockerCli, api: Api, daemon: Daemon, app: str) -> None:
    cli.ok("pull", "--platform", "linux/arm64", app)
    assert platforms_here(api, app) == ["linux/arm64/v8"]
    cli.ok("pull", "--platform", "linux/amd64", app)
    assert platforms_here(api, app) == ["linux/amd64", "linux/arm64/v8"]
    daemon.terminate()
    daemon.wait()
    daemon.start()
    cli.ok("pull", "--platform", "linux/arm/v7", app)
    assert platforms_here(api, app) == ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"]
    [image] = api.get("/images/json").json()
    assert (image["Id"], image["RepoTags"]) == (PLATFORMS.digest, [app])


def test_the_images_row_follows_what_is_here(api: Api, app: str) -> None:
    def size() -> int:
        return api.get("/images/json").json()[0]["Size"]
    api.pull_well(app, platform="linux/arm64")
    assert api.get(f"/images/{app}/json").json()["Architecture"] == "arm64"
    before = size()
    # By its own digest, and so an image of its own: the index above it has it as well.
    api.pull_well(app.rpartition(":")[0], AMD64.digest)
    items = {item["Id"]: item for item in api.get("/images/json").json()}
    own = sum(blob.size for blob in AMD64.blobs) - AMD64.layers[0].size + AMD64.manifest.size
    assert items[PLATFORMS.digest]["Size"] == before + own
    assert platforms_here(api, app) == ["linux/amd64", "linux/arm64/v8"]


def test_a_platform_comes_with_its_attestation(cli: DockerCli, api: Api, app: str) -> None:
    lines = cli.ok("pull", "--platform", "linux/amd64", app).lines
    attestation = next(child for child in PLATFORMS.manifests
                       if child.annotations and child.annotations["vnd.docker.reference.digest"] == AMD64.digest)
    statement = attestation.layers[0].digest[7:19]
    assert [line for line in lines if line.startswith(statement)] == [f"{statement}: Download complete"]
    here = available(api, app)
    assert here[f"about {AMD64.digest}"] is True
    assert here[f"about {ARM64.digest}"] is False


def test_all_tags_of_one_platform(cli: DockerCli, api: Api, registry: DockerRegistry) -> None:
    for tag in ("a", "b"):
        name = registry.add(make_platforms(f"all-{tag}"), "platforms/tags", tag)
    cli.ok("pull", "-a", "--platform", "linux/arm/v7", name.rpartition(":")[0])
    for tag in ("a", "b"):
        assert platforms_here(api, f"{name.rpartition(':')[0]}:{tag}") == ["linux/arm/v7"]


def test_a_platform_that_there_is_not_is_404(api: Api, app: str) -> None:
    answer = api.pull(app, platform="linux/s390x")
    assert answer.status == 404
    assert answer.message == ("no matching manifest for linux/s390x in the manifest list entries: no match for platform"
                              " in manifest: not found")
    assert api.get("/images/json").json() == []


# ---- strictness -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("wanted, found", [("linux/amd64/v3", "linux/amd64"), ("linux/arm64", "linux/arm64/v8"),
                                           ("linux/arm64/v8", "linux/arm64/v8"), ("linux/arm/v8", "linux/arm/v7"),
                                           ("linux/armhf", "linux/arm/v7"), ("linux/aarch64", "linux/arm64/v8")])
def test_pull_takes_what_the_platform_runs(api: Api, app: str, wanted: str, found: str) -> None:
    api.pull_well(app, platform=wanted)
    assert platforms_here(api, app) == [found]


@pytest.mark.parametrize("wanted, status", [("linux/amd64", 200), ("linux/amd64/v3", 404), ("linux/arm64", 200),
                                            ("linux/arm64/v8", 200), ("linux/arm/v7", 200), ("linux/arm", 200),
                                            ("linux/arm/v8", 404), ("linux/386", 404)])
def test_inspect_takes_exactly_the_platform(api: Api, app: str, wanted: str, status: int) -> None:
    pull_all(api, app)
    answer = api.get(f"/v1.49/images/{app}/json", {"platform": platform_json(wanted)})
    assert answer.status == status
    if status == 404:
        assert answer.message == (f"image with reference {app} was found but does not provide the specified platform"
                                  f" ({wanted})")


@pytest.mark.parametrize("wanted, status", [("linux/amd64/v3", 200), ("linux/arm64", 200), ("linux/arm/v8", 200),
                                            ("linux/s390x", 404)])
def test_history_takes_what_the_platform_runs(api: Api, app: str, wanted: str, status: int) -> None:
    pull_all(api, app)
    assert api.get(f"/v1.48/images/{app}/history", {"platform": platform_json(wanted)}).status == status
    assert api.get(f"/v1.47/images/{app}/history", {"platform": platform_json(wanted)}).status == 200


@pytest.mark.parametrize("wanted, digest", [("linux/arm64", ARM64.digest), ("linux/arm/v7", ARM.digest),
                                            ("linux/amd64/v3", None), ("linux/arm/v8", None)])
def test_push_takes_exactly_the_platform(api: Api, second_registry: DockerRegistry, app: str, wanted: str,
                                         digest: str | None) -> None:
    pull_all(api, app)
    name = tag_for(api, app, second_registry, f"platforms/strict-{wanted.replace('/', '-')}")
    answer = push(api, name, "1", "/v1.46", platform=platform_json(wanted))
    if digest is None:
        assert answer.error == (f"image with reference {name}:1 was found but does not provide the specified platform"
                                f" ({wanted})")
    else:
        assert answer.records[-1]["aux"]["Digest"] == digest


@pytest.mark.parametrize("wanted, digest", [("linux/arm64", ARM64.digest), ("linux/amd64/v3", None)])
def test_delete_takes_exactly_the_platform(api: Api, app: str, wanted: str, digest: str | None) -> None:
    pull_all(api, app)
    answer = api.delete(f"/v1.50/images/{app}", {"force": "1", "platforms": platform_json(wanted)})
    assert answer.status == (404 if digest is None else 200)
    if digest:
        assert answer.json() == [{"Deleted": digest}]


# ---- push -----------------------------------------------------------------------------------------------------------

def test_a_whole_index_is_pushed_whole(cli: DockerCli, api: Api, second_registry: DockerRegistry, app: str) -> None:
    pull_all(api, app)
    name = tag_for(api, app, second_registry, "platforms/whole")
    cli.ok("push", f"{name}:1")
    assert second_registry.get("platforms/whole", "1").digest == PLATFORMS.digest
    for child in PLATFORMS.manifests:
        assert second_registry.get("platforms/whole", child.digest).digest == child.digest


def test_what_is_here_of_an_index_is_pushed_in_its_place(cli: DockerCli, api: Api, second_registry: DockerRegistry,
                                                         app: str) -> None:
    api.pull_well(app, platform="linux/arm64")
    name = tag_for(api, app, second_registry, "platforms/part")
    cli.ok("push", f"{name}:1")
    assert second_registry.get("platforms/part", "1").digest == ARM64.digest


def test_a_push_does_not_guess_between_platforms(cli: DockerCli, api: Api, registry: DockerRegistry,
                                                 second_registry: DockerRegistry) -> None:
    need_flag(cli, "push", flag="--platform")
    layer = make_layer({"file": "guess"})
    platforms = ("linux/riscv64", "linux/s390x", "linux/ppc64le")
    name = registry.add(make_index([make_image([layer], each) for each in platforms]), "platforms/guess", "1")
    for each in platforms[:2]:
        api.pull_well(name, platform=each)
    target = tag_for(api, name, second_registry, "platforms/guess")
    assert "multiple matching manifests found but no specific platform requested" in cli.fails("push", f"{target}:1")
    cli.ok("push", "--platform", "linux/s390x", f"{target}:1")


def test_a_platform_that_is_two_manifests_is_a_conflict(api: Api, registry: DockerRegistry,
                                                        second_registry: DockerRegistry) -> None:
    twins = [make_image([make_layer({"file": str(number)})], "linux/riscv64") for number in range(2)]
    name = registry.add(make_index(twins), "platforms/twins", "1")
    for twin in twins:
        api.pull_well(name.rpartition(":")[0], twin.digest)
    api.pull_well(name, platform="linux/riscv64")
    target = tag_for(api, name, second_registry, "platforms/twins")
    assert push(api, target, "1", "/v1.46", platform=platform_json("linux/riscv64")).error == ("multiple manifests found for platform"
                                                                       " linux/riscv64")


# ---- look -----------------------------------------------------------------------------------------------------------

def test_tree_of_a_part_and_of_the_whole(cli: DockerCli, api: Api, app: str) -> None:
    need_flag(cli, "image", "ls", flag="--tree")
    api.pull_well(app, platform="linux/arm64")
    rename(api, app, "tree:1")
    rows = tree(cli)
    assert list(rows) == ["tree:1", "linux/amd64", "linux/arm64/v8", "linux/arm/v7"]
    assert {name: row[0] for name, row in rows.items()} == {
        "tree:1": PLATFORMS.digest[7:19], "linux/amd64": AMD64.digest[7:19], "linux/arm64/v8": ARM64.digest[7:19],
        "linux/arm/v7": ARM.digest[7:19]}
    assert rows["linux/amd64"][1] == rows["linux/arm/v7"][1] == "0B"
    assert rows["linux/arm64/v8"][1] != "0B"
    pull_all(api, app)
    rename(api, app, "tree:1")
    assert "0B" not in [size for _, size in tree(cli).values()]


def test_tree_of_an_image_without_index(cli: DockerCli, api: Api, registry: DockerRegistry) -> None:
    need_flag(cli, "image", "ls", flag="--tree")
    image = make_image([make_layer({"file": "x"})], "linux/arm64/v8")
    name = registry.add(image, "platforms/single", "1")
    cli.ok("pull", name)
    rename(api, name, "tree:1")
    rows = tree(cli)
    assert rows["tree:1"][0] == image.digest[7:19]
    assert rows["linux/arm64/v8"][0] == image.digest[7:19]


def test_inspect_of_each_platform(cli: DockerCli, api: Api, app: str) -> None:
    need_flag(cli, "image", "inspect", flag="--platform")
    pull_all(api, app)
    for platform, image in (("linux/amd64", AMD64), ("linux/arm64", ARM64), ("linux/arm/v7", ARM)):
        [shown] = cli.json("image", "inspect", "--platform", platform, app)
        config = json.loads(image.config.read())
        assert shown["Id"] == shown["Descriptor"]["digest"] == image.digest
        assert shown["Architecture"] == config["architecture"]
        assert shown["RootFS"]["Layers"] == config["rootfs"]["diff_ids"]
        assert shown["RepoDigests"] == [f"{app.rpartition(':')[0]}@{PLATFORMS.digest}"]
        assert "platform" in shown["Descriptor"]
        assert shown["Size"] == sum(blob.size for blob in image.blobs) + image.manifest.size + PLATFORMS.manifest.size


def test_python_docker_pulls_platforms_side_by_side(daemon: Daemon, api: Api, app: str) -> None:
    client = docker.DockerClient(base_url=daemon.host)
    repository, _, tag = app.rpartition(":")
    try:
        for platform in ("linux/arm64", "linux/amd64"):
            assert client.images.pull(repository, tag=tag, platform=platform).id == PLATFORMS.digest
    finally:
        client.close()
    assert platforms_here(api, app) == ["linux/amd64", "linux/arm64/v8"]


# ---- remove ---------------------------------------------------------------------------------------------------------

def test_rmi_of_a_platform(cli: DockerCli, api: Api, daemon: Daemon, app: str) -> None:
    need_flag(cli, "rmi", flag="--platform")
    pull_all(api, app)
    assert "Content will be removed from all images referencing this variant. Use \u2014-force to force delete." in (
        cli.fails("rmi", "--platform", "linux/arm64", app))
    assert cli.ok("rmi", "-f", "--platform", "linux/arm64", app).lines == [f"Deleted: {ARM64.digest}"]
    assert platforms_here(api, app) == ["linux/amd64", "linux/arm/v7"]
    assert available(api, app)[f"about {ARM64.digest}"] is False
    files = list_files(daemon.data_root)
    assert ARM64.digest not in files and ARM64.config.digest not in files
    assert [layer.digest in files for layer in ARM64.layers] == [True, False, False], "the first layer is shared"
    assert cli.ok("images", "-q", "--no-trunc").lines == [PLATFORMS.digest]
    cli.ok("pull", "--platform", "linux/arm64", app)
    assert platforms_here(api, app) == ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"]


def test_rmi_of_a_platform_takes_it_from_every_image(cli: DockerCli, api: Api, registry: DockerRegistry, app: str) -> None:
    need_flag(cli, "rmi", flag="--platform")
    other = registry.add(make_index([ARM64, make_image([make_layer({"f": "other"})], "linux/amd64")]), "platforms/other", "1")
    pull_all(api, app)
    for platform in ("linux/arm64", "linux/amd64"):
        api.pull_well(other, platform=platform)
    cli.ok("rmi", "-f", "--platform", "linux/arm64", app)
    assert platforms_here(api, other) == ["linux/amd64"]


def test_an_image_without_platforms_stays_until_its_name_goes(cli: DockerCli, api: Api, daemon: Daemon, app: str) -> None:
    need_flag(cli, "rmi", flag="--platform")
    api.pull_well(app, platform="linux/arm64")
    cli.ok("rmi", "-f", "--platform", "linux/arm64", app)
    [item] = api.get("/images/json").json()
    assert (item["RepoTags"], item["Created"], item["Size"]) == ([app], 0, PLATFORMS.manifest.size)
    assert cli.json("image", "inspect", app)[0]["Id"] == PLATFORMS.digest
    assert api.get(f"/images/{app}/history").json() == []
    cli.ok("rmi", app)
    assert list_files(daemon.data_root) == {}


# ---- attestations ---------------------------------------------------------------------------------------------------

def test_attestations_of_a_platform(api: Api, registry: DockerRegistry) -> None:
    image = make_image([make_layer({"file": "attested"})], "linux/amd64")
    name = registry.add(make_index([image, make_attestation(image)], image_format="oci"), "platforms/attested", "1")
    api.pull_well(name, platform="linux/amd64")
    attestation = make_attestation(image)
    [shown] = api.get(f"/v1.55/images/{name}/attestations", {"platform": platform_json("linux/amd64")}).json()
    assert shown["PredicateType"] == PREDICATE_TYPE
    assert shown["Descriptor"]["digest"] == attestation.layers[0].digest
    assert "Statement" not in shown
    query = {"platform": platform_json("linux/amd64"), "statement": "1", "type": PREDICATE_TYPE}
    [shown] = api.get(f"/v1.55/images/{name}/attestations", query).json()
    assert shown["Statement"] == json.loads(attestation.layers[0].read())
    assert api.get(f"/v1.55/images/{name}/attestations", {**query, "type": "another"}).json() == []
    assert api.get(f"/v1.54/images/{name}/attestations").status == 400


# ---- helpers --------------------------------------------------------------------------------------------------------

def need_flag(cli: DockerCli, *command: str, flag: str) -> None:
    if not cli.has_flag(*command, flag=flag):
        pytest.skip(f"this docker CLI has no `docker {' '.join(command)} {flag}`")


def pull_all(api: Api, name: str) -> None:
    for platform in ("linux/amd64", "linux/arm64", "linux/arm/v7"):
        api.pull_well(name, platform=platform)


def rename(api: Api, old: str, new: str) -> None:
    """The tree has no room for long names."""
    repository, _, tag = new.partition(":")
    api.post(f"/images/{old}/tag", {"repo": repository, "tag": tag})
    api.delete(f"/images/{old}")


def tag_for(api: Api, source: str, registry: DockerRegistry, repository: str) -> str:
    """A name of that image in another registry, without its tag, which is 1."""
    name = f"{registry.host}/{repository}"
    assert api.post(f"/images/{source}/tag", {"repo": name, "tag": "1"}).status == 201
    return name

# SPDX-License-Identifier: Apache-2.0
"""The docker CLI, unmodified, does everything that a user does with images."""
from __future__ import annotations

import json

import pytest

from image_maker import make_image, make_layer
from lib import skopeo
from lib.docker_cli import DockerCli
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.samples import HOST_PLATFORM, OTHER_ARCHITECTURE, OTHER_PLATFORM, make_platforms, make_small_image

PLATFORMS = make_platforms()
HOST_IMAGE = PLATFORMS.image_for(HOST_PLATFORM)


@pytest.fixture(scope="module")
def app(registry: DockerRegistry) -> str:
    """host/demo/app, with the tags 1.0 and 2.0 for three platforms."""
    registry.add(make_platforms("2.0"), "demo/app", "2.0")
    return registry.add(PLATFORMS, "demo/app", "1.0").removesuffix(":1.0")


@pytest.fixture(scope="module")
def small(registry: DockerRegistry) -> str:
    """A single manifest without an index."""
    return registry.add(make_small_image("small"), "demo/small", "1")


# ---- pull -----------------------------------------------------------------------------------------------------------

def test_pull_by_tag_says_what_it_did(cli: DockerCli, app: str) -> None:
    lines = cli.ok("pull", f"{app}:1.0").lines
    assert lines[0] == "1.0: Pulling from demo/app"
    assert lines[-3:] == [f"Digest: {PLATFORMS.digest}", f"Status: Downloaded newer image for {app}:1.0", f"{app}:1.0"]
    for layer in HOST_IMAGE.layers:
        assert f"{layer.digest[7:19]}: Pull complete" in lines


def test_second_pull_is_up_to_date(cli: DockerCli, app: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    assert cli.ok("pull", f"{app}:1.0").lines == [
        "1.0: Pulling from demo/app", f"Digest: {PLATFORMS.digest}", f"Status: Image is up to date for {app}:1.0",
        f"{app}:1.0"]


def test_pull_by_digest(cli: DockerCli, app: str) -> None:
    name = f"{app}@{PLATFORMS.digest}"
    assert f"Status: Downloaded newer image for {name}" in cli.ok("pull", name).lines
    assert cli.ok("pull", name).lines[-2] == f"Status: Image is up to date for {name}"
    image = cli.json("image", "inspect", name)[0]
    assert image["Id"] == PLATFORMS.digest
    assert image["RepoDigests"] == [name]
    assert image["RepoTags"] == []


def test_pull_quiet_prints_the_name_only(cli: DockerCli, app: str) -> None:
    assert cli.ok("pull", "-q", f"{app}:1.0").out == f"{app}:1.0\n"


def test_pull_of_another_platform(cli: DockerCli, app: str) -> None:
    cli.ok("pull", "--platform", "linux/arm64" if OTHER_ARCHITECTURE == "arm64" else OTHER_PLATFORM, f"{app}:1.0")
    image = cli.json("inspect", f"{app}:1.0")[0]
    assert (image["Os"], image["Architecture"]) == ("linux", OTHER_ARCHITECTURE)
    other = PLATFORMS.image_for(OTHER_PLATFORM)
    assert image["RootFS"]["Layers"] == json.loads(other.config.read())["rootfs"]["diff_ids"]


def test_pull_of_all_tags(cli: DockerCli, app: str) -> None:
    lines = cli.ok("pull", "-a", app).lines
    assert "1.0: Pulling from demo/app" in lines
    assert "2.0: Pulling from demo/app" in lines
    assert sorted(cli.ok("images", "--format", "{{.Repository}}:{{.Tag}}").lines) == [f"{app}:1.0", f"{app}:2.0"]


def test_pull_shares_layers_that_are_here(cli: DockerCli, registry: DockerRegistry) -> None:
    shared, own = make_layer({"shared": "1"}), make_layer({"own": "1"})
    first = registry.add(make_image([shared], HOST_PLATFORM), "demo/shared", "1")
    second = registry.add(make_image([shared, own], HOST_PLATFORM), "demo/shared", "2")
    cli.ok("pull", first)
    lines = cli.ok("pull", second).lines
    assert f"{shared.digest[7:19]}: Already exists" in lines
    assert f"{own.digest[7:19]}: Pull complete" in lines


def test_a_tag_that_moved_is_pulled_again_and_the_old_image_stays(cli: DockerCli, registry: DockerRegistry) -> None:
    old, new = make_small_image("old"), make_small_image("new")
    name = registry.add(old, "demo/moving", "now")
    cli.ok("pull", name)
    registry.add(new, "demo/moving", "now")
    assert f"Status: Downloaded newer image for {name}" in cli.ok("pull", name).lines
    assert cli.json("inspect", name)[0]["Id"] == new.digest
    assert cli.ok("images", "--no-trunc", "-q", "-f", "dangling=true").lines == [old.digest]


# ---- look -----------------------------------------------------------------------------------------------------------

def test_images_lists_every_name(cli: DockerCli, app: str, small: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    cli.ok("pull", small)
    cli.ok("tag", small, "other/name:v1")
    lines = cli.ok("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").lines
    digest = make_small_image("small").digest
    assert sorted(lines) == sorted([f"{app}:1.0 {PLATFORMS.digest}", f"{small} {digest}", f"other/name:v1 {digest}"])
    table = cli.ok("images").lines
    assert table[0].split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert len(table) == 4


def test_images_of_one_repository(cli: DockerCli, app: str, small: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    cli.ok("pull", small)
    assert cli.ok("images", "--format", "{{.Repository}}", app).lines == [app]
    assert cli.ok("images", "-q", "no/such").lines == []


def test_images_with_filters(cli: DockerCli, app: str, small: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    cli.ok("pull", small)
    show = ("images", "--format", "{{.Repository}}:{{.Tag}}", "-f")
    assert cli.ok(*show, "label=seed=small").lines == [small]
    assert cli.ok(*show, "label=seed").lines == [small]
    assert cli.ok(*show, "label=seed=other").lines == []
    assert cli.ok(*show, "dangling=true").lines == []
    assert cli.ok(*show, f"reference={app}:1.*").lines == [f"{app}:1.0"]


def test_images_with_digests(cli: DockerCli, app: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    table = cli.ok("image", "ls", "--digests").lines
    assert table[0].split()[:3] == ["REPOSITORY", "TAG", "DIGEST"]
    assert table[1].split()[:3] == [app, "1.0", PLATFORMS.digest]


def test_inspect_shows_the_config(cli: DockerCli, app: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    image = cli.json("inspect", f"{app}:1.0")[0]
    config = json.loads(HOST_IMAGE.config.read())
    assert image["Id"] == PLATFORMS.digest
    assert image["RepoTags"] == [f"{app}:1.0"]
    assert image["RepoDigests"] == [f"{app}@{PLATFORMS.digest}"]
    assert image["Created"] == config["created"]
    assert image["Author"] == "image_maker"
    assert (image["Os"], image["Architecture"]) == (config["os"], config["architecture"])
    assert image["RootFS"] == {"Type": "layers", "Layers": config["rootfs"]["diff_ids"]}
    for key in ("Env", "Cmd", "Labels", "WorkingDir"):
        assert image["Config"][key] == config["config"][key]
    assert image["Size"] >= sum(blob.size for blob in HOST_IMAGE.blobs)


@pytest.mark.parametrize("form", ["id", "hex", "short", "child", "config", "digest"])
def test_inspect_by_everything_that_names_an_image(cli: DockerCli, app: str, form: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    argument = {"id": PLATFORMS.digest, "hex": PLATFORMS.digest[7:], "short": PLATFORMS.digest[7:19],
                "child": HOST_IMAGE.digest, "config": HOST_IMAGE.config.digest,
                "digest": f"{app}@{PLATFORMS.digest}"}[form]
    assert cli.json("image", "inspect", argument)[0]["Id"] == PLATFORMS.digest


def test_inspect_of_something_unknown(cli: DockerCli) -> None:
    assert "No such object: nothing/here" in cli.fails("inspect", "nothing/here").replace("no such", "No such")
    # CLI 20.10 says it in words of its own, without the tag.
    assert "No such image: nothing/here" in cli.fails("image", "inspect", "nothing/here")


def test_history_is_newest_first(cli: DockerCli, app: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    rows = [json.loads(line) for line in cli.ok("history", "--no-trunc", "--format", "{{json .}}", f"{app}:1.0").lines]
    config = json.loads(HOST_IMAGE.config.read())
    assert [row["CreatedBy"] for row in rows] == [entry["created_by"] for entry in reversed(config["history"])]
    assert [row["ID"] for row in rows] == [PLATFORMS.digest] + ["<missing>"] * (len(rows) - 1)
    assert rows[0]["Size"] == "0B"
    assert rows[1]["Size"] != "0B"


def test_version_and_info(cli: DockerCli) -> None:
    version = cli.json("version", "--format", "{{json .}}")
    assert version["Server"]["Os"] == "linux"
    assert [part["Name"] for part in version["Server"]["Components"]][0] == "Engine"
    assert "Server:" in cli.ok("version").out
    info = cli.ok("info")
    assert "Images: 0" in info.out
    assert "Swarm: inactive" in info.out
    assert "ERROR" not in info.out + info.err


# ---- names ----------------------------------------------------------------------------------------------------------

def test_tag_gives_a_second_name(cli: DockerCli, small: str) -> None:
    cli.ok("pull", small)
    cli.ok("tag", small, "mine:v1")
    cli.ok("tag", make_small_image("small").digest[7:19], "localhost:5000/deep/er/mine")
    image = cli.json("inspect", "mine:v1")[0]
    assert sorted(image["RepoTags"]) == sorted([small, "localhost:5000/deep/er/mine:latest", "mine:v1"])


def test_tag_moves_a_name(cli: DockerCli, app: str, small: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    cli.ok("pull", small)
    cli.ok("tag", small, "mine")
    cli.ok("tag", f"{app}:1.0", "mine")
    assert cli.json("inspect", "mine")[0]["Id"] == PLATFORMS.digest
    assert cli.json("inspect", small)[0]["RepoTags"] == [small]


def test_tag_of_something_unknown(cli: DockerCli) -> None:
    assert cli.fails("tag", "nothing", "mine") == "Error response from daemon: No such image: nothing:latest"


# ---- rmi ------------------------------------------------------------------------------------------------------------

def test_rmi_by_name_removes_the_image_with_its_last_name(cli: DockerCli, small: str) -> None:
    digest = make_small_image("small").digest
    cli.ok("pull", small)
    cli.ok("tag", small, "mine:v1")
    lines = cli.ok("rmi", small).lines
    assert f"Untagged: {small}" in lines
    assert not [line for line in lines if line.startswith("Deleted:")]
    lines = cli.ok("rmi", "mine:v1").lines
    assert lines[0] == "Untagged: mine:v1"
    assert lines[-1] == f"Deleted: {digest}"
    assert cli.ok("images", "-aq").lines == []


@pytest.mark.parametrize("form", ["id", "short id"])
def test_rmi_by_id(cli: DockerCli, app: str, form: str) -> None:
    cli.ok("pull", f"{app}:1.0")
    lines = cli.ok("rmi", PLATFORMS.digest if form == "id" else PLATFORMS.digest[7:19]).lines
    assert lines[0] == f"Untagged: {app}:1.0"
    assert lines[-1] == f"Deleted: {PLATFORMS.digest}"
    assert cli.ok("images", "-aq").lines == []


def test_rmi_by_id_of_an_image_with_two_names_needs_force(cli: DockerCli, small: str) -> None:
    digest = make_small_image("small").digest
    cli.ok("pull", small)
    cli.ok("tag", small, "mine:v1")
    assert cli.fails("rmi", digest[7:19]) == (
        f"Error response from daemon: conflict: unable to delete {digest[7:19]} (must be forced) - image is referenced "
        "in multiple repositories")
    assert len(cli.ok("images", "-q").lines) == 2
    lines = cli.ok("rmi", "-f", digest[7:19]).lines
    assert {f"Untagged: {small}", "Untagged: mine:v1", f"Deleted: {digest}"} <= set(lines)
    assert cli.ok("images", "-aq").lines == []


def test_rmi_of_a_digest_reference(cli: DockerCli, app: str) -> None:
    name = f"{app}@{PLATFORMS.digest}"
    cli.ok("pull", name)
    assert cli.ok("rmi", name).lines == [f"Untagged: {name}", f"Deleted: {PLATFORMS.digest}"]


def test_rmi_of_something_unknown(cli: DockerCli, small: str) -> None:
    cli.ok("pull", small)
    assert "No such image: nothing" in cli.fails("rmi", "nothing", small)
    assert cli.ok("images", "-q").lines == [], "what comes after the error is removed all the same"
    assert cli.ok("rmi", "-f", "nothing").code == 0


def test_rmi_keeps_layers_that_another_image_has(cli: DockerCli, registry: DockerRegistry) -> None:
    shared = make_layer({"shared": "2"})
    first = registry.add(make_image([shared, make_layer({"a": "a"})], HOST_PLATFORM), "demo/keep", "1")
    second = registry.add(make_image([shared, make_layer({"b": "b"})], HOST_PLATFORM), "demo/keep", "2")
    cli.ok("pull", first)
    cli.ok("pull", second)
    cli.ok("rmi", first)
    assert "Status: Image is up to date" in cli.ok("pull", second).out
    assert "Already exists" in cli.ok("pull", first).out


# ---- push -----------------------------------------------------------------------------------------------------------

def test_push_to_another_repository_mounts_the_layers(cli: DockerCli, registry: DockerRegistry, small: str) -> None:
    image = make_small_image("small")
    target = f"{registry.host}/demo/mounted:2"
    cli.ok("pull", small)
    cli.ok("tag", small, target)
    lines = cli.ok("push", target).lines
    assert lines[0] == f"The push refers to repository [{registry.host}/demo/mounted]"
    for layer in image.layers:
        assert f"{layer.digest[7:19]}: Mounted from demo/small" in lines
    assert lines[-1] == f"2: digest: {image.digest} size: {image.manifest.size}"
    assert skopeo.read_manifest(target) == image.manifest.read()


def test_push_to_a_second_registry_keeps_the_digest(cli: DockerCli, second_registry: DockerRegistry, small: str
                                                    ) -> None:
    image = make_small_image("small")
    target = f"{second_registry.host}/copy/small:1"
    cli.ok("pull", small)
    cli.ok("tag", small, target)
    lines = cli.ok("push", target).lines
    for layer in image.layers:
        assert f"{layer.digest[7:19]}: Pushed" in lines
    assert skopeo.read_digest(target) == skopeo.read_digest(small) == image.digest
    assert skopeo.inspect(target)["Layers"] == [layer.digest for layer in image.layers]
    again = cli.ok("push", target).lines
    for layer in image.layers:
        assert f"{layer.digest[7:19]}: Layer already exists" in again


def test_push_of_one_platform_pushes_its_manifest(cli: DockerCli, second_registry: DockerRegistry, app: str) -> None:
    target = f"{second_registry.host}/copy/app:host"
    cli.ok("pull", f"{app}:1.0")
    cli.ok("tag", f"{app}:1.0", target)
    assert f"host: digest: {HOST_IMAGE.digest} size: {HOST_IMAGE.manifest.size}" in cli.ok("push", target).lines
    assert skopeo.read_digest(target) == HOST_IMAGE.digest


def test_push_of_all_platforms_pushes_the_index(cli: DockerCli, second_registry: DockerRegistry, app: str) -> None:
    target = f"{second_registry.host}/copy/app:all"
    for platform in ("linux/amd64", "linux/arm64", "linux/arm/v7"):
        cli.ok("pull", "--platform", platform, f"{app}:1.0")
    cli.ok("tag", f"{app}:1.0", target)
    cli.ok("push", target)
    assert skopeo.read_digest(target) == skopeo.read_digest(f"{app}:1.0") == PLATFORMS.digest


def test_push_of_all_tags(cli: DockerCli, second_registry: DockerRegistry, small: str) -> None:
    repository = f"{second_registry.host}/copy/tags"
    cli.ok("pull", small)
    for tag in ("a", "b"):
        cli.ok("tag", small, f"{repository}:{tag}")
    cli.ok("push", "-a", repository)
    assert sorted(skopeo.inspect(f"{repository}:a")["RepoTags"]) == ["a", "b"]


def test_push_of_a_name_that_is_not_here(cli: DockerCli, registry: DockerRegistry) -> None:
    assert "tag does not exist" in cli.fails("push", f"{registry.host}/demo/nothing:1").replace(
        "An image does not exist locally with the tag", "tag does not exist")


# ---- credentials ----------------------------------------------------------------------------------------------------

def test_htpasswd_registry_refuses_without_login(cli: DockerCli, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(make_small_image("htpasswd"), "private/app", "1")
    assert cli.fails("pull", name).endswith("no basic auth credentials")


def assert_asks_for_login(cli: DockerCli, name: str) -> None:
    """What the CLI does with the status 401."""
    result = cli.run("pull", name, answers="\n")
    assert result.code != 0
    assert "ogin prior to pull" in result.out


def test_htpasswd_registry_refuses_a_wrong_password(cli: DockerCli, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(make_small_image("htpasswd"), "private/app", "1")
    cli.log_in(registry_htpasswd.host, USER, "wrong")
    assert_asks_for_login(cli, name)


def test_htpasswd_registry_with_login(cli: DockerCli, registry_htpasswd: DockerRegistry) -> None:
    image = make_small_image("htpasswd")
    name = registry_htpasswd.add(image, "private/app", "1")
    cli.log_in(registry_htpasswd.host, USER, PASSWORD)
    cli.ok("pull", name)
    target = f"{registry_htpasswd.host}/private/pushed:1"
    cli.ok("tag", name, target)
    cli.ok("push", target)
    assert skopeo.read_digest(target, f"{USER}:{PASSWORD}") == image.digest


def test_push_to_a_htpasswd_registry_needs_login(cli: DockerCli, registry_htpasswd: DockerRegistry, small: str) -> None:
    target = f"{registry_htpasswd.host}/private/refused:1"
    cli.ok("pull", small)
    cli.ok("tag", small, target)
    assert "no basic auth credentials" in cli.fails("push", target)


def test_token_registry_is_open_for_what_is_public(cli: DockerCli, registry_token: DockerRegistry) -> None:
    cli.ok("pull", registry_token.add(make_small_image("public"), "public/app", "1"))


def test_token_registry_refuses_without_login(cli: DockerCli, registry_token: DockerRegistry) -> None:
    name = registry_token.add(make_small_image("token"), "private/app", "1")
    assert (f"pull access denied for {registry_token.host}/private/app, repository does not exist or may require "
            "'docker login'") in cli.fails("pull", name)


def test_token_registry_refuses_a_wrong_password(cli: DockerCli, registry_token: DockerRegistry) -> None:
    name = registry_token.add(make_small_image("token"), "private/app", "1")
    cli.log_in(registry_token.host, USER, "wrong")
    assert_asks_for_login(cli, name)


def test_token_registry_with_login(cli: DockerCli, registry_token: DockerRegistry) -> None:
    image = make_small_image("token")
    name = registry_token.add(image, "private/app", "1")
    cli.log_in(registry_token.host, USER, PASSWORD)
    cli.ok("pull", name)
    target = f"{registry_token.host}/private/deep/pushed:1"
    cli.ok("tag", name, target)
    assert "Mounted from private/app" in cli.ok("push", target).out
    assert skopeo.read_digest(target, f"{USER}:{PASSWORD}") == image.digest


def test_push_to_a_token_registry_without_login_is_denied(cli: DockerCli, registry_token: DockerRegistry, small: str
                                                          ) -> None:
    target = f"{registry_token.host}/public/refused:1"
    cli.ok("pull", small)
    cli.ok("tag", small, target)
    assert "denied" in cli.fails("push", target)

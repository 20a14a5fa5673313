# SPDX-License-Identifier: Apache-2.0
"""Looking into registries from before /v2/, and which of the two protocols is spoken."""
from __future__ import annotations

from collections.abc import Mapping

import pytest

from image_maker import make_layer
from lib.api import Api
from lib.docker_registry import PASSWORD, USER
from lib.fault_registry import Reply, make_error
from lib.legacy_registry import COOKIE, TOKEN, LegacyRegistry
from lib.remote import ask_in_vain, ask_well
from lib.samples import make_small_image
from lib.schema1 import make_chain

LOGIN = {"username": USER, "password": PASSWORD}
SMALL = make_small_image("beside-v1")
LAYERS = [make_layer({f"file{number}": str(number)}) for number in range(3)]
CHAIN = make_chain(LAYERS, seed="v1", labels={"a": "b"}, env=["A=b"])
OLD_CHAIN = make_chain(LAYERS[:1], seed="v1-old", labels={"old": "yes"})


@pytest.fixture
def v1(legacy_registry: LegacyRegistry) -> str:
    """Of the repository."""
    return legacy_registry.add_v1("team/app", {"2.0": CHAIN, "1.0": OLD_CHAIN, "latest": CHAIN})


def test_v1_tags(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    assert ask_well(api, v1, "tags") == {"Name": v1, "Tags": ["1.0", "2.0", "latest"]}
    assert legacy_registry.paths("/v1/") == ["/v1/repositories/team/app/images", "/v1/repositories/team/app/tags"]


@pytest.mark.parametrize("has_tag_paths", [True, False])
def test_v1_image_by_tag(api: Api, legacy_registry: LegacyRegistry, v1: str, has_tag_paths: bool) -> None:
    """With or without a path for each tag, as of Pulp and Crane."""
    legacy_registry.has_tag_paths = has_tag_paths
    shown = ask_well(api, f"{v1}:1.0", "inspect")
    assert (shown["Name"], shown["Tag"], shown["RepoTags"]) == (v1, "1.0", ["1.0", "2.0", "latest"])
    assert (shown["Labels"], shown["Architecture"], shown["Os"]) == ({"old": "yes"}, "amd64", "linux")
    assert (shown["DockerVersion"], shown["Created"], shown["Config"]["Cmd"]) == (
        "1.9.1", "2024-05-06T07:08:09Z", ["/bin/sh"])
    assert (shown["Layers"], shown["Digest"], shown["ManifestDigest"]) == ([], None, None)


def test_v1_without_a_tag(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    assert ask_well(api, v1, "inspect")["Tag"] == "latest"
    without = legacy_registry.add_v1("team/other", {"b": CHAIN, "a": OLD_CHAIN})
    assert ask_well(api, without, "inspect")["Tag"] == "a"
    assert ask_in_vain(api, without, "inspect", {"tags": "0"}) == (
        404, f"the default tag latest has not been set on repository {without}")
    empty = legacy_registry.add_v1("team/empty")
    assert ask_in_vain(api, empty, "inspect") == (404, f"No tags available for remote repository {empty}")


def test_v1_image_by_id(api: Api, v1: str) -> None:
    shown = ask_well(api, v1, "inspect", {"id": CHAIN[-1]["id"]})
    assert (shown["Labels"], shown["Env"], shown["Tag"]) == ({"a": "b"}, ["A=b"], "")
    # Each layer is an image of its own there.
    assert ask_well(api, v1, "inspect", {"id": CHAIN[0]["id"]})["Labels"] is None


def test_v1_what_is_not_there(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    missing = f"{legacy_registry.host}/no/such"
    for name, what in ((missing, "tags"), (missing, "inspect"), (f"{missing}:1", "inspect")):
        assert ask_in_vain(api, name, what) == (404, f"the repository {missing} was not found")
    assert ask_in_vain(api, f"{v1}:3", "inspect") == (404, f"the tag 3 has not been set on repository {v1}")
    assert ask_in_vain(api, v1, "inspect", {"id": "a" * 64}) == (
        404, f"the image {'a' * 64} in repository {v1} was not found and may have been deleted")
    gone = OLD_CHAIN[-1]["id"]
    legacy_registry.remove_image(gone)
    assert ask_in_vain(api, f"{v1}:1.0", "inspect") == (
        404, f"the image {gone} in repository {v1} with tag 1.0 was not found and may have been deleted")


def test_v1_token_and_cookie(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    ask_well(api, f"{v1}:1.0", "inspect")
    index, *others = [request for request in legacy_registry.requests if request.path.startswith("/v1/")]
    assert (index.header("X-Docker-Token"), index.header("Authorization"), index.header("Cookie")) == (
        "true", None, None)
    assert {(request.header("Authorization"), request.header("Cookie")) for request in others} == {
        (f"Token {TOKEN}", COOKIE)}


def test_v1_password_goes_to_the_index(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    """Which gives the token for it."""
    ask_well(api, f"{v1}:1.0", "inspect", auth={**LOGIN, "serveraddress": legacy_registry.host})
    index, *others = [request for request in legacy_registry.requests if request.path.startswith("/v1/")]
    assert (index.header("Authorization") or "").startswith("Basic ")
    assert {request.header("Authorization") for request in others} == {f"Token {TOKEN}"}


def test_v1_without_token_and_cookie(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    legacy_registry.token = legacy_registry.cookie = None
    assert ask_well(api, f"{v1}:1.0", "inspect")["Tag"] == "1.0"


def test_v1_token_that_is_refused(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    legacy_registry.accepts_token = False
    assert ask_in_vain(api, v1, "tags")[0] in (401, 403)


@pytest.mark.parametrize("endpoints", ["{}", "{}, 127.0.0.1:1"])
def test_v1_images_at_another_host(api: Api, legacy_registry: LegacyRegistry, other_registry: LegacyRegistry, v1: str,
                                   endpoints: str) -> None:
    other_registry.add_v1("team/app", {"1.0": OLD_CHAIN})
    other_registry.cookie = None
    legacy_registry.endpoints = endpoints.format(other_registry.host)
    shown = ask_well(api, f"{v1}:1.0", "inspect", auth={**LOGIN, "serveraddress": legacy_registry.host})
    assert (shown["Name"], shown["RepoTags"]) == (v1, ["1.0"])
    assert legacy_registry.paths("/v1/") == ["/v1/repositories/team/app/images"]
    for request in other_registry.requests:
        assert (request.header("Cookie"), request.header("Authorization")) == (None, f"Token {TOKEN}")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_v1_redirects(api: Api, legacy_registry: LegacyRegistry, other_registry: LegacyRegistry, status: int) -> None:
    """What follows goes to where the first answer came from."""
    name = f"{legacy_registry.host}/team/app"
    other_registry.add_v1("team/app", {"1.0": OLD_CHAIN})
    legacy_registry.on("GET", "/v1/repositories/team/app/images", Reply(status=status, body=b"", headers={
        "Location": f"http://{other_registry.host}/v1/repositories/team/app/images"}))
    shown = ask_well(api, f"{name}:1.0", "inspect", auth={**LOGIN, "serveraddress": legacy_registry.host})
    assert (shown["Name"], shown["Labels"]) == (name, {"old": "yes"})
    assert not any("Basic" in (request.header("Authorization") or "") for request in other_registry.requests)


def test_v1_redirects_in_a_circle(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    legacy_registry.on("GET", "/v1/.*", Reply(status=302, body=b"",
                                              headers={"Location": "/v1/repositories/team/app/tags"}))
    ask_in_vain(api, v1, "tags")
    assert len(legacy_registry.requests) < 50


@pytest.mark.parametrize("body", [b"", b"{", b"[1]x", b"3", b'"text"'])
@pytest.mark.parametrize("path", ["tags", "images/[0-9a-f]+/json"])
def test_v1_documents_that_are_none(api: Api, legacy_registry: LegacyRegistry, v1: str, path: str, body: bytes) -> None:
    legacy_registry.on("GET", f"/v1/.*{path}", Reply(body=body))
    assert ask_in_vain(api, f"{v1}:1.0", "inspect")[0] in (400, 500)


def test_v1_has_no_manifests(api: Api, v1: str) -> None:
    """To pull from there is no way any more."""
    assert ask_in_vain(api, f"{v1}:1.0", "plan")[0] in (400, 404)
    assert api.pull(f"{v1}:1.0").status in (400, 404)
    assert api.get(f"/distribution/{v1}:1.0/json").status in (400, 404)


# ---- which of the two -----------------------------------------------------------------------------------------------

def answer_v2(registry: LegacyRegistry, status: int, headers: Mapping[str, str], body: bytes = b"{}") -> None:
    """To every request below /v2/."""
    registry.on("GET|HEAD", "/v2/.*", Reply(status=status, headers=headers, body=body))


@pytest.mark.parametrize("status, headers, body", [
    (404, {}, b"nothing here"), (404, {"Content-Type": "text/html"}, b"<html>"), (405, {}, b""),
    (200, {"Content-Type": "text/html"}, b"<html>a web page for everything</html>"),
    (301, {}, b""), (410, {}, b"")])
def test_v1_is_asked_where_v2_is_not(api: Api, legacy_registry: LegacyRegistry, v1: str, status: int,
                                     headers: dict, body: bytes) -> None:
    answer_v2(legacy_registry, status, headers, body)
    assert ask_well(api, v1, "tags")["Tags"] == ["1.0", "2.0", "latest"]
    assert ask_well(api, f"{v1}:1.0", "inspect")["Labels"] == {"old": "yes"}


def test_v1_is_not_asked_where_v2_is(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    """Even if it has what /v2/ has not."""
    legacy_registry.has_v2 = True
    legacy_registry.add(SMALL, "team/app", "v2-only")
    assert ask_well(api, v1, "tags")["Tags"] == ["v2-only"]
    assert ask_in_vain(api, f"{v1}:1.0", "inspect") == (404, f"the tag 1.0 has not been set on repository {v1}")
    assert ask_in_vain(api, v1, "inspect", {"id": "a" * 64})[0] == 404
    legacy_registry.on("GET", "tags/list.*", Reply(status=404, body=make_error("NAME_UNKNOWN", "unknown")))
    assert ask_in_vain(api, v1, "tags") == (404, f"the repository {v1} was not found")
    assert legacy_registry.paths("/v1/") == []


@pytest.mark.parametrize("status, headers", [(401, {}), (401, {"WWW-Authenticate": 'Basic realm="x"'}), (403, {}),
                                             (429, {})])
def test_v1_is_not_asked_where_v2_refuses(api: Api, legacy_registry: LegacyRegistry, v1: str, status: int,
                                          headers: dict) -> None:
    answer_v2(legacy_registry, status, headers)
    ask_in_vain(api, v1, "tags")
    ask_in_vain(api, f"{v1}:1.0", "inspect")
    assert legacy_registry.paths("/v1/") == []


def test_v1_is_not_asked_once_v2_has_answered(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    """One answer of its is enough, whatever the registry says of itself."""
    legacy_registry.has_v2 = True
    legacy_registry.v2_headers = {}
    legacy_registry.add(SMALL, "team/app", "v2-only")
    assert ask_in_vain(api, f"{v1}:1.0", "inspect") == (404, f"the tag 1.0 has not been set on repository {v1}")
    assert legacy_registry.paths("/v1/") == []


def test_neither_of_the_two(api: Api, legacy_registry: LegacyRegistry) -> None:
    legacy_registry.on("GET|HEAD", ".*", Reply(status=404, body=b"nothing at all"))
    name = f"{legacy_registry.host}/team/app"
    assert ask_in_vain(api, name, "tags") == (404, f"the repository {name} was not found")

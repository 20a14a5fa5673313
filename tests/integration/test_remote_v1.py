# SPDX-License-Identifier: Apache-2.0
"""Looking into registries from before /v2/, and which of the two protocols is spoken."""
from __future__ import annotations

import json
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
    """Which gives the token for it, and is asked without it before it has answered at all."""
    ask_well(api, f"{v1}:1.0", "inspect", auth={**LOGIN, "serveraddress": legacy_registry.host})
    first, index, *others = [request for request in legacy_registry.requests if request.path.startswith("/v1/")]
    assert first.header("Authorization") is None
    assert (index.header("Authorization") or "").startswith("Basic ")
    assert {request.header("Authorization") for request in others} == {f"Token {TOKEN}"}


def test_v1_without_token_and_cookie(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    legacy_registry.token = legacy_registry.cookie = None
    assert ask_well(api, f"{v1}:1.0", "inspect")["Tag"] == "1.0"


def test_v1_token_that_is_refused(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    legacy_registry.accepts_token = False
    for what in ("tags", "inspect"):
        assert ask_in_vain(api, v1, what) == (401, "unauthorized: Requires authorization")


@pytest.mark.parametrize("endpoints", ["{}", "{}, 127.0.0.1:1"])
def test_v1_images_at_another_host(api: Api, legacy_registry: LegacyRegistry, other_registry: LegacyRegistry, v1: str,
                                   endpoints: str) -> None:
    other_registry.add_v1("team/app", {"1.0": OLD_CHAIN})
    other_registry.cookie = None
    legacy_registry.endpoints = endpoints.format(other_registry.host)
    shown = ask_well(api, f"{v1}:1.0", "inspect", auth={**LOGIN, "serveraddress": legacy_registry.host})
    assert (shown["Name"], shown["RepoTags"]) == (v1, ["1.0"])
    assert set(legacy_registry.paths("/v1/")) == {"/v1/repositories/team/app/images"}
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
    status, text = ask_in_vain(api, v1, "tags")
    assert (status, text.rpartition(": ")[2]) == (503, "stopped after 5 redirects")
    assert len(legacy_registry.requests) < 50


SYNTAX = {b"": "syntax error at byte 1", b"{": "syntax error at byte 2", b"[1]x": "syntax error at byte 4"}


@pytest.mark.parametrize("path, body, text", [
    *(("tags", body, f"tag list: {text}") for body, text in SYNTAX.items()),
    *(("tags", body, "tag list: neither an object nor an array") for body in (b"3", b'"text"', b"null")),
    *(("tags/1.0", body, f"tag: {text}") for body, text in SYNTAX.items()),
    *(("tags/1.0", body, "tag: not a string") for body in (b"3", b"[]", b"null", b'{"id": "x"}')),
    ("tags/1.0", b'"../../x"', 'invalid image ID "../../x": it is not 64 hexadecimal digits'),
    *(("images/[0-9a-f]+/json", body, f"image: {text}") for body, text in SYNTAX.items()),
    *(("images/[0-9a-f]+/json", body, "image: not an object") for body in (b"3", b"[]", b'[{"id": "x"}]', b"null")),
    ("images/[0-9a-f]+/json", b'{"config": {"Labels": []}}', 'image config: "Labels" must be an object')])
def test_v1_documents_that_are_none(api: Api, legacy_registry: LegacyRegistry, v1: str, path: str, body: bytes,
                                    text: str) -> None:
    legacy_registry.on("GET", f"/v1/.*{path}", Reply(body=body))
    assert ask_in_vain(api, f"{v1}:1.0", "inspect") == (400, text)


def test_v1_tags_of_nothing_are_left_out(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    image = CHAIN[-1]["id"]
    legacy_registry.has_tag_paths = False
    for tags in ({"b": image, "none": None, "number": 3, "-x": image, "a/b": image, "": image, "a": image},
                 [{"name": "b", "layer": image}, {"name": "none"}, {"layer": image}, {"name": "-x", "layer": image},
                  None, "text", {"name": "a", "layer": image}]):
        legacy_registry.on("GET", "/v1/repositories/team/app/tags", Reply(body=json.dumps(tags).encode()))
        assert ask_well(api, v1, "tags")["Tags"] == ["a", "b"]
        assert ask_in_vain(api, f"{v1}:none", "inspect") == (404, f"the tag none has not been set on repository {v1}")


@pytest.mark.parametrize("endpoints, refused", [
    ("10.0.0.1", "10.0.0.1"), ("169.254.169.254", "169.254.169.254"), ("0.0.0.0:1", "0.0.0.0:1"),
    ("192.168.0.1:5000, 10.0.0.1", "192.168.0.1:5000"), ("[fe80::1]", "[fe80::1]")])
def test_v1_images_at_an_internal_address_are_not_asked_for(api: Api, legacy_registry: LegacyRegistry, v1: str,
                                                            endpoints: str, refused: str) -> None:
    legacy_registry.endpoints = endpoints
    for what in ("tags", "inspect"):
        assert ask_in_vain(api, v1, what) == (
            403, f'refusing endpoint "http://{refused}/v1/": it is an internal address')
    assert set(legacy_registry.paths("/v1/")) == {"/v1/repositories/team/app/images"}
    # One that may be asked is.
    legacy_registry.endpoints = f"{endpoints}, {legacy_registry.host}"
    assert ask_well(api, v1, "tags")["Tags"] == ["1.0", "2.0", "latest"]


@pytest.mark.parametrize("endpoint", ["x/y", "x?y", "x#y"])
def test_v1_endpoints_that_are_no_hosts(api: Api, legacy_registry: LegacyRegistry, v1: str, endpoint: str) -> None:
    legacy_registry.endpoints = endpoint
    status, text = ask_in_vain(api, v1, "tags")
    assert status == 400 and text.startswith('invalid endpoint "x') and text.endswith('": it is not a host')


def test_v1_has_no_manifests(api: Api, v1: str) -> None:
    """To pull from there is no way any more."""
    status, text = ask_in_vain(api, f"{v1}:1.0", "plan")
    assert status == 404 and text.startswith(f"manifest for {v1}:1.0 not found: ")
    pulled = api.pull(f"{v1}:1.0")
    assert (pulled.status, pulled.message) == (status, text)
    assert api.get(f"/distribution/{v1}:1.0/json").status == 404


# ---- which of the two -----------------------------------------------------------------------------------------------

def answer_v2(registry: LegacyRegistry, status: int, headers: Mapping[str, str], body: bytes = b"{}") -> None:
    """To every request below /v2/."""
    registry.on("GET|HEAD", "/v2/.*", Reply(status=status, headers=headers, body=body))


@pytest.mark.parametrize("status, headers, body", [
    (404, {}, b"nothing here"), (404, {"Content-Type": "text/html"}, b"<html>"), (405, {}, b""),
    (200, {"Content-Type": "text/html"}, b"<html>a web page for everything</html>"),
    (200, {"Content-Type": "application/json"}, b"[]"),
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
    assert ask_in_vain(api, v1, "inspect", {"id": "a" * 64}) == (
        404, f"the image {'a' * 64} in repository {v1} was not found and may have been deleted")
    legacy_registry.on("GET", "tags/list.*", Reply(status=404, body=make_error("NAME_UNKNOWN", "unknown")))
    assert ask_in_vain(api, v1, "tags") == (404, f"the repository {v1} was not found")
    assert legacy_registry.paths("/v1/") == []


@pytest.mark.parametrize("status, headers, expected, words", [
    (401, {}, 401, "unauthorized: authentication required"),
    (401, {"WWW-Authenticate": 'Basic realm="x"'}, 403, "no basic auth credentials"),
    (403, {}, 403, "denied: requested access to the resource is denied"),
    (429, {}, 429, "toomanyrequests: too many requests")])
def test_v1_is_not_asked_where_v2_refuses(api: Api, legacy_registry: LegacyRegistry, v1: str, status: int,
                                          headers: dict, expected: int, words: str) -> None:
    answer_v2(legacy_registry, status, headers)
    for name, what in ((v1, "tags"), (f"{v1}:1.0", "inspect")):
        got, text = ask_in_vain(api, name, what)
        assert got == expected and text.endswith(words)
    assert legacy_registry.paths("/v1/") == []


def test_v1_is_not_asked_once_v2_has_answered(api: Api, legacy_registry: LegacyRegistry, v1: str) -> None:
    """One answer of its is enough, whatever the registry says of itself."""
    legacy_registry.has_v2 = True
    legacy_registry.v2_headers = {}
    legacy_registry.add(SMALL, "team/app", "v2-only")
    assert ask_in_vain(api, f"{v1}:1.0", "inspect") == (404, f"the tag 1.0 has not been set on repository {v1}")
    assert legacy_registry.paths("/v1/") == []


@pytest.mark.parametrize("status, body", [(404, b""), (404, make_error("NAME_UNKNOWN", "unknown")), (400, b"{}"),
                                          (200, b"<html>")])
def test_v1_is_not_asked_after_a_page_of_v2(api: Api, legacy_registry: LegacyRegistry, v1: str, status: int,
                                            body: bytes) -> None:
    """The list has begun: who cannot go on with it has /v2/ all the same."""
    answer_v2(legacy_registry, 404, {}, b"nothing here")
    legacy_registry.on("GET", r"tags/list(\?n=\d+)?", Reply(status=200, body=b'{"tags": ["a"]}', headers={
        "Link": '</v2/team/app/tags/list?last=a>; rel="next"'}))
    legacy_registry.on("GET", r"tags/list\?last=a", Reply(status=status, body=body))
    ask_in_vain(api, v1, "tags")
    assert legacy_registry.paths("/v1/") == []


def test_neither_of_the_two(api: Api, legacy_registry: LegacyRegistry) -> None:
    legacy_registry.on("GET|HEAD", ".*", Reply(status=404, body=b"nothing at all"))
    name = f"{legacy_registry.host}/team/app"
    assert ask_in_vain(api, name, "tags") == (404, f"the repository {name} was not found")

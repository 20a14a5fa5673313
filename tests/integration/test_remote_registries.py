# SPDX-License-Identifier: Apache-2.0
"""Looking into registries that are long, locked, gone, or that lie."""
from __future__ import annotations

import dataclasses
import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Artifact, Blob, make_artifact
from lib.api import Api, encode_auth
from lib.daemon import Daemon
from lib.docker_registry import PASSWORD, USER, DockerRegistry
from lib.embedded_registry import EmbeddedRegistry
from lib.fault_registry import FaultRegistry, Reply, make_error
from lib.hosts_toml import write_hosts
from lib.legacy_registry import LegacyRegistry
from lib.process import find_free_port
from lib.registry_http import RegistryHttp
from lib.remote import ask, ask_in_vain, ask_well
from lib.samples import make_platforms, make_small_image
from lib.token_server import TokenServer

LOGIN = {"username": USER, "password": PASSWORD}
SMALL = make_small_image("remote-registries")


# ---- lists of tags --------------------------------------------------------------------------------------------------

TAGS = [f"tag-{number:04}" for number in range(1000)]


def add_pages(registry: FaultRegistry, repository: str, base: str, size: int = 90) -> None:
    """A list in pages, each with a Link to the next that begins with `base`."""
    def page(begin: int) -> Reply:
        body = json.dumps({"name": repository, "tags": TAGS[begin:begin + size]}).encode()
        following = f"{base}/v2/{repository}/tags/list?n={size}&last={TAGS[min(begin + size, len(TAGS)) - 1]}"
        link = {"Link": f'<{following}>; rel="next"'} if begin + size < len(TAGS) else {}
        return Reply(status=200, body=body, headers=link)

    for begin in range(0, len(TAGS), size):
        query = rf"(\?n=\d+)?" if begin == 0 else rf"\?n={size}&last={TAGS[begin - 1]}"
        registry.on("GET", rf"/{repository}/tags/list{query}", page(begin))


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_a_thousand_tags_over_many_pages(api: Api, fault_registry: FaultRegistry, kind: str) -> None:
    add_pages(fault_registry, "many/tags", f"http://{fault_registry.host}" if kind == "absolute" else "")
    name = f"{fault_registry.host}/many/tags"
    assert ask_well(api, name, "tags") == {"Name": name, "Tags": TAGS}
    assert len(fault_registry.requests) == 12
    fault_registry.add(SMALL, "many/tags", TAGS[-1])
    assert ask_well(api, f"{name}:{TAGS[-1]}", "inspect")["RepoTags"] == TAGS


def test_our_own_registry_lists_in_pages(api: Api, embedded: EmbeddedRegistry, http: RegistryHttp) -> None:
    tags = [*TAGS, "more"]
    http.push("many/tags", SMALL, tags[0])
    for tag in tags[1:]:
        http.put_manifest("many/tags", tag, SMALL.manifest).expect(201)
    assert ask_well(api, f"{embedded.host}/many/tags", "tags")["Tags"] == sorted(tags)


def test_tags_in_the_order_of_the_registry(api: Api, fault_registry: FaultRegistry) -> None:
    tags = ["z", "latest", "A", "10", "9"]
    fault_registry.on("GET", r"tags/list(\?.*)?", Reply(status=200, body=json.dumps({"tags": tags}).encode()))
    assert ask_well(api, f"{fault_registry.host}/order", "tags")["Tags"] == tags


def test_a_link_in_a_circle_ends(api: Api, fault_registry: FaultRegistry) -> None:
    for here, there in (("", "b"), ("&last=b", "c"), ("&last=c", "b")):
        fault_registry.on("GET", rf"tags/list(\?n=\d+)?{here}", Reply(
            status=200, body=json.dumps({"tags": [f"tag{here[-1:]}"]}).encode(),
            headers={"Link": f'</v2/circle/tags/list?n=1000&last={there}>; rel="next"'}))
    assert ask_well(api, f"{fault_registry.host}/circle", "tags")["Tags"] == ["tag", "tagb", "tagc"]
    assert len(fault_registry.requests) == 3, "each once"


def test_a_link_may_be_a_query(api: Api, fault_registry: FaultRegistry) -> None:
    fault_registry.on("GET", r"tags/list\?n=\d+", Reply(status=200, body=b'{"tags":["a"]}', headers={
        "Link": '<?n=1&last=a>; rel="next"'}))
    fault_registry.on("GET", r"tags/list\?n=1&last=a", Reply(status=200, body=b'{"tags":["b"]}'))
    assert ask_well(api, f"{fault_registry.host}/x", "tags")["Tags"] == ["a", "b"]


def test_a_link_to_another_host_is_not_followed(api: Api, fault_registry: FaultRegistry,
                                                other_registry: LegacyRegistry) -> None:
    other_registry.has_v2 = True
    fault_registry.on("GET", r"tags/list(\?.*)?", Reply(status=200, body=b'{"tags":["a"]}', headers={
        "Link": f'<http://{other_registry.host}/v2/x/tags/list?last=a>; rel="next"'}))
    status, text = ask_in_vain(api, f"{fault_registry.host}/x", "tags")
    assert (status, "another host" in text) == (403, True)
    assert other_registry.requests == []


@pytest.mark.parametrize("body, text", [
    (b"", "tag list: syntax error at byte 1"), (b"<html>", "tag list: syntax error at byte 1"),
    (b"[]", "tag list: not an object"), (b'"x"', "tag list: not an object"), (b"null", "tag list: not an object"),
    (b'{"tags": ["a"', "tag list: syntax error at byte 14"), (b'{"tags": {}}', '"tags" must be an array'),
    (b'{"tags": "a"}', '"tags" must be an array'),
    (json.dumps({"tags": ["1"] * 1_000_001}).encode(), "more than 1000000 tags")],
    ids=["nothing", "html", "array", "string", "null", "half", "object", "text", "too many"])
def test_a_list_that_is_none(api: Api, fault_registry: FaultRegistry, body: bytes, text: str) -> None:
    fault_registry.on("GET", r"tags/list(\?.*)?", Reply(status=200, body=body))
    fault_registry.on("GET", "/v2/", Reply(headers={"Docker-Distribution-API-Version": "registry/2.0"}))
    assert ask_in_vain(api, f"{fault_registry.host}/x", "tags") == (400, text)
    assert sum("/tags/list" in request.path for request in fault_registry.requests) == 1, "it says the same again"
    assert not [request for request in fault_registry.requests if request.path.startswith("/v1/")]


def test_names_that_are_no_tags_are_left_out(api: Api, fault_registry: FaultRegistry) -> None:
    """Whoever took them from here could not ask for them."""
    tags = ["b", None, 1, "", "-x", "x/y", "x y", "a:b", "../x", "x" * 129, {"name": "c"}, ["d"], "UP", "a"]
    fault_registry.add(SMALL, "odd", "b")
    fault_registry.on("GET", r"tags/list(\?.*)?", Reply(status=200, body=json.dumps({"tags": tags}).encode()))
    name = f"{fault_registry.host}/odd"
    assert ask_well(api, name, "tags")["Tags"] == ["b", "UP", "a"]
    shown = ask_well(api, name, "inspect")
    assert (shown["Tag"], shown["RepoTags"]) == ("b", ["b", "UP", "a"])


def test_a_list_of_ten_megabytes(api: Api, fault_registry: FaultRegistry) -> None:
    tags = [f"{number:0128}" for number in range(80_000)]
    fault_registry.on("GET", r"tags/list(\?.*)?", Reply(status=200, body=json.dumps({"tags": tags}).encode()))
    assert ask_well(api, f"{fault_registry.host}/x", "tags")["Tags"] == tags


def test_a_list_of_more_than_sixteen_megabytes(api: Api, daemon: Daemon, fault_registry: FaultRegistry) -> None:
    body = json.dumps({"tags": ["a"], "more": "x" * (16 << 20)}).encode()
    fault_registry.on("GET", r"tags/list(\?.*)?", Reply(status=200, body=body))
    status, text = ask_in_vain(api, f"{fault_registry.host}/x", "tags")
    assert (status, text.partition(": ")[2]) == (500, "the response is larger than 16777216 bytes")
    assert daemon.answers()


# ---- names ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("form", ["{host}/team/app:1", "http://{host}/team/app:1", "https://{host}/team/app:1",
                                  "http:/{host}/team/app:1", "localhost:{port}/team/app:1",
                                  "http://localhost:{port}/team/app:1"])
def test_forms_of_names(api: Api, fault_registry: FaultRegistry, form: str) -> None:
    fault_registry.add(SMALL, "team/app", "1")
    host = fault_registry.host
    name = form.format(host=host, port=host.rpartition(":")[2])
    shown = ask_well(api, name, "inspect")
    assert shown["Digest"] == SMALL.digest
    assert shown["Name"] == re.sub("^https?://?", "", name).removesuffix(":1")
    quoted = name.replace("/", "%2F").replace(":", "%3A")
    assert api.get(f"/lighter/v1/remote/{quoted}/inspect").json() == shown


@pytest.mark.parametrize("name", ["http://registry.example.com/x:1", "http://8.8.8.8:5000/x:1"])
def test_plain_http_is_for_insecure_registries(api: Api, name: str) -> None:
    for what in ("tags", "inspect", "plan"):
        assert ask_in_vain(api, name, what) == (
            400, f"{name.removesuffix('/x:1')}: not an insecure registry; https would be spoken")


@pytest.mark.parametrize("name, text", [
    *((name, "invalid reference format: the URL names no repository")
      for name in ("http://127.0.0.1:5000", "https://127.0.0.1:5000/", "https:///x")),
    ("ftp://x/y:1", "invalid reference format"), ("http://127.0.0.1:5000/x?a=b", "invalid reference format"),
    ("http://user:pass@127.0.0.1:5000/x:1", "invalid URL: user information is not allowed"),
    ("http://127.0.0.1:5000/X:1", "invalid reference format: repository name (X) must be lowercase")])
def test_urls_that_name_no_image(api: Api, name: str, text: str) -> None:
    assert ask_in_vain(api, name, "inspect") == (400, text)


@pytest.mark.parametrize("host", ["", "docker.io/", "index.docker.io/", "www.docker.io/", "registry-1.docker.io/",
                                  "https://registry-1.docker.io/", "https://docker.io/",
                                  "https://index.docker.io:443/"])
@pytest.mark.parametrize("path", ["app", "library/app"])
def test_hub_has_many_names(make_daemon: Callable[..., Daemon], fault_registry: FaultRegistry, folder: Path, host: str,
                            path: str) -> None:
    """What stands in for it is told whose images these are."""
    fault_registry.add(SMALL, "library/app", "1")
    certs = write_hosts(folder / "certs.d", "docker.io", f"http://{fault_registry.host}")
    daemon = make_daemon(arguments=("--certs-dir", str(certs))).start()
    assert ask_well(daemon.api, f"{host}{path}:1", "inspect")["Name"] == "docker.io/library/app"
    daemon.stop()


# ---- what is not there ----------------------------------------------------------------------------------------------

def test_a_registry_that_is_not_there(api: Api) -> None:
    host = f"127.0.0.1:{find_free_port()}"
    for what in ("tags", "inspect"):
        status, text = ask_in_vain(api, f"{host}/x:1", what)
        assert status == 503
        assert text.startswith(f'the registry "https://{host}" could not be reached')


def test_a_repository_that_is_not_there(api: Api, registry: DockerRegistry) -> None:
    name = f"{registry.host}/no/such"
    expected = (404, f"the repository {name} was not found")
    assert ask_in_vain(api, name, "tags") == expected
    assert ask_in_vain(api, name, "inspect") == expected
    assert ask_in_vain(api, f"{name}:1", "inspect") == expected


def test_what_is_not_in_a_repository(api: Api, fault_registry: FaultRegistry) -> None:
    name = fault_registry.add(SMALL, "team/app", "1").rpartition(":")[0]
    digest = make_small_image("nowhere").digest
    assert ask_in_vain(api, f"{name}:2", "inspect") == (404, f"the tag 2 has not been set on repository {name}")
    assert ask_in_vain(api, name, "inspect", {"tags": "0"}) == (
        404, f"the default tag latest has not been set on repository {name}")
    for query, reference in (({}, f"@{digest}"), ({"id": digest}, "")):
        assert ask_in_vain(api, name + reference, "inspect", query) == (
            404, f"the image {digest} in repository {name} was not found and may have been deleted")
    fault_registry.on("GET", f"blobs/{SMALL.config.digest}", Reply(status=404, body=make_error("BLOB_UNKNOWN", "x")))
    assert ask_in_vain(api, f"{name}:1", "inspect") == (
        404, f"blob {SMALL.config.digest} was not found in repository {name}")


def test_an_entry_of_an_index_that_is_not_there(api: Api, fault_registry: FaultRegistry) -> None:
    index = make_platforms("broken")
    child = index.image_for("linux/arm64/v8")
    name = fault_registry.add(index, "team/app", "1").rpartition(":")[0]
    fault_registry.on("GET", f"(manifests|blobs)/{child.digest}", Reply(status=404, body=b"{}"))
    assert ask_in_vain(api, f"{name}:1", "inspect", {"platform": "linux/arm64"}) == (
        404, f"the image {child.digest} in repository {name} was not found and may have been deleted")


# ---- connections that break -----------------------------------------------------------------------------------------

@pytest.fixture
def dropping_host() -> Iterator[str]:
    """Takes connections and closes them when something comes."""
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield "127.0.0.1:%d" % server.server_address[1]
        server.shutdown()


def test_a_registry_that_drops_every_connection(api: Api, daemon: Daemon, dropping_host: str) -> None:
    name = f"{dropping_host}/x:1"
    for what, path in (("tags", "tags/list?n=1000"), ("inspect", "tags/list?n=1000")):
        assert ask_in_vain(api, name, what) == (503, f'Get "http://{dropping_host}/v2/x/{path}": EOF')
    assert ask_in_vain(api, name, "inspect", {"tags": "0"}) == (
        503, f'Get "http://{dropping_host}/v2/x/manifests/1": EOF')
    assert ask_in_vain(api, name, "plan") == (500, api.pull(name).message), "as of a pull"
    assert daemon.answers()


@pytest.mark.parametrize("path", ["manifests/1", "tags/list.*", "blobs/.*"])
def test_an_answer_that_breaks_off_every_time(api: Api, fault_registry: FaultRegistry, path: str) -> None:
    name = fault_registry.add(SMALL, "team/app", "1")
    fault_registry.on("GET", path, Reply(cut_after=20))
    status, text = ask_in_vain(api, name, "inspect")
    assert (status, text.rpartition(": ")[2]) == (503, "unexpected EOF")
    assert re.search(f'/v2/team/app/{path}"', text)
    assert len(fault_registry.requests) < 50


@pytest.mark.parametrize("path", ["manifests/1", "tags/list.*", "blobs/.*"])
def test_a_registry_that_is_busy_once(api: Api, fault_registry: FaultRegistry, path: str) -> None:
    name = fault_registry.add(SMALL, "team/app", "1")
    fault_registry.on("GET", path, Reply(status=503, headers={"Retry-After": "0"}, body=b"busy"), times=1)
    assert ask_well(api, name, "inspect")["Digest"] == SMALL.digest


# ---- who may look ---------------------------------------------------------------------------------------------------

def challenge(registry: FaultRegistry, value: str | None) -> None:
    """Everything is refused with it."""
    headers = {"WWW-Authenticate": value} if value else {}
    registry.on("GET|HEAD", "/v2/.*", Reply(status=401, headers=headers, body=make_error("UNAUTHORIZED", "log in")))


def test_a_registry_that_wants_a_password(api: Api, registry_htpasswd: DockerRegistry) -> None:
    name = registry_htpasswd.add(SMALL, "remote/private", "1")
    for what in ("tags", "inspect", "plan"):
        status, text = ask_in_vain(api, name, what)
        assert (status, text.rpartition(": ")[2]) == (403, "no basic auth credentials")
        assert ask_in_vain(api, name, what, auth={**LOGIN, "password": "wrong"}) == (
            401, "unauthorized: authentication required")
    assert ask_well(api, name, "inspect", auth=LOGIN)["Digest"] == SMALL.digest
    assert ask_well(api, name, "tags", auth=LOGIN)["Tags"] == ["1"]
    assert ask_well(api, name, "plan", auth=LOGIN)["Digest"] == SMALL.digest


def test_a_registry_that_wants_a_token(api: Api, registry_token: DockerRegistry, token_server: TokenServer) -> None:
    public = registry_token.add(SMALL, "public/remote", "1")
    private = registry_token.add(SMALL, "private/remote", "1")
    token_server.requests.clear()
    assert ask_well(api, public, "inspect")["Digest"] == SMALL.digest
    assert len(token_server.requests) == 1, "one token is good for all of it"
    assert ask_well(api, private, "inspect", auth=LOGIN)["RepoTags"] == ["1"]
    # It does not tell whether there is such a repository.
    for what in ("tags", "inspect"):
        assert ask_in_vain(api, private, what) == (
            404, f"the repository {private.removesuffix(':1')} was not found, or needs a login: denied: requested"
                 " access to the resource is denied")
    status, text = ask_in_vain(api, private, "inspect", auth={**LOGIN, "password": "wrong"})
    assert (status, "permission denied to access realm" in text) == (401, True)
    assert "wrong" not in text


@pytest.mark.parametrize("status, expected, words", [(401, 401, "permission denied to access realm"),
                                                     (403, 403, "permission denied to access realm"),
                                                     (404, 503, "defined realm cannot be found")])
def test_a_realm_that_refuses(api: Api, fault_registry: FaultRegistry, other_registry: LegacyRegistry, status: int,
                              expected: int, words: str) -> None:
    other_registry.on("GET|POST", r"/token.*", Reply(status=status, body=b'{"details": "not for you"}'))
    challenge(fault_registry, f'Bearer realm="http://{other_registry.host}/token",service="x"')
    for what in ("tags", "inspect"):
        got, text = ask_in_vain(api, f"{fault_registry.host}/team/app:1", what)
        assert (got, words in text) == (expected, True), text
        assert other_registry.host in text
    assert [path for path in other_registry.paths() if path != "/token"] == []


def test_a_realm_that_is_not_there(api: Api, fault_registry: FaultRegistry) -> None:
    """The registry is."""
    realm = f"http://127.0.0.1:{find_free_port()}/token"
    challenge(fault_registry, f'Bearer realm="{realm}",service="x"')
    for what in ("tags", "inspect"):
        status, text = ask_in_vain(api, f"{fault_registry.host}/team/app:1", what)
        assert (status, realm in text) == (503, True)
        assert f'the registry "https://{fault_registry.host}" could not be reached' not in text


@pytest.mark.parametrize("value", ['Bearer service="x"', 'Bearer realm=""'])
def test_a_challenge_without_a_realm(api: Api, fault_registry: FaultRegistry, value: str) -> None:
    challenge(fault_registry, value)
    status, text = ask_in_vain(api, f"{fault_registry.host}/team/app:1", "inspect")
    assert (status, "realm" in text) == (503, True), text


def test_parameters_of_the_challenge_go_to_the_realm(api: Api, fault_registry: FaultRegistry,
                                                     other_registry: LegacyRegistry) -> None:
    fault_registry.add(SMALL, "team/app", "1")
    other_registry.on("GET", r"/token.*", Reply(status=200, body=b'{"token": "good"}'))
    challenge(fault_registry, f'Bearer realm="http://{other_registry.host}/token?a=b",service="s",'
                              'scope="repository:team/app:pull"')
    ask(api, f"{fault_registry.host}/team/app:1", "inspect")
    first = other_registry.requests[0].path
    assert first.startswith("/token?a=b&")
    assert "service=s" in first and re.search("scope=repository(:|%3A)team(/|%2F)app(:|%3A)pull", first)
    assert {request.header("Authorization") for request in fault_registry.requests} == {None, "Bearer good"}


def edited(image: Artifact, edit: Callable[[dict], object]) -> Artifact:
    """With another manifest."""
    document = json.loads(image.manifest.read())
    edit(document)
    return dataclasses.replace(image, manifest=Blob.of(json.dumps(document).encode(), image.manifest.media_type))


# ---- registries that lie --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", ["/distribution/{}/json", "/lighter/v1/remote/{}/inspect"])
def test_other_bytes_than_the_digest_says(api: Api, fault_registry: FaultRegistry, path: str) -> None:
    other = make_small_image("another")
    name = fault_registry.add(SMALL, "team/app", "1").rpartition(":")[0]
    text = f"manifest verification failed for digest {SMALL.digest}"
    fault_registry.on("GET", f"manifests/{SMALL.digest}", Reply(body=other.manifest.read()))
    answer = api.get(path.format(f"{name}@{SMALL.digest}"))
    assert (answer.status, text in answer.message) == (500, True)
    # By tag it is the header that lies.
    fault_registry.on("GET|HEAD", "manifests/1", Reply(body=other.manifest.read()))
    answer = api.get(path.format(f"{name}:1"))
    assert (answer.status, text in answer.message) == (500, True)


@pytest.mark.parametrize("path", ["/distribution/{}/json", "/lighter/v1/remote/{}/inspect"])
def test_another_config_than_the_digest_says(api: Api, fault_registry: FaultRegistry, path: str) -> None:
    name = fault_registry.add(SMALL, "team/app", "1")
    body = SMALL.config.read().replace(b"amd64", b"arm64")
    fault_registry.on("GET", f"blobs/{SMALL.config.digest}", Reply(body=body))
    answer = api.get(path.format(name))
    assert (answer.status, f"verification failed for digest {SMALL.config.digest}" in answer.message) == (500, True)


@pytest.mark.parametrize("config, text", [
    (b"", "image config: syntax error at byte 1"), (b"[]", "image config: expected an object"),
    (b"{}", 'image config: "rootfs" is missing'), (b'{"config": []}', 'image config: "config" must be an object'),
    (b'{"config": {"Labels": {"a": 1}}}', 'image config: "a" must be a string'),
    (b'{"config": {"Labels": {"a": "b", "a": "c"}}}', 'image config: duplicate key "a"'),
    (b'{"os": "linux", "OS": "windows"}', 'image config: key "OS" is not "os"'),
    (b"[" * 10_000, "image config: nested too deeply")],
    ids=["nothing", "list", "empty", "config", "label", "label twice", "os twice", "deep"])
def test_a_config_that_is_none(api: Api, fault_registry: FaultRegistry, config: bytes, text: str) -> None:
    blob = Blob.of(config, SMALL.config.media_type)
    image = edited(SMALL, lambda document: document.update(config=blob.descriptor()))
    name = fault_registry.add(dataclasses.replace(image, blobs=(blob, *SMALL.layers)), "team/app", "1")
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect")):
        assert (answer.status, answer.message) == (400, text)


@pytest.mark.parametrize("status", [201, 204, 206, 302, 304])
def test_an_answer_that_is_none(api: Api, daemon: Daemon, fault_registry: FaultRegistry, status: int) -> None:
    name = fault_registry.add(SMALL, "team/app", "1")
    body = b"" if status in (204, 304) else None
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(status=status, body=body))
    for answer in (api.get(f"/distribution/{name}/json"), ask(api, name, "inspect"), ask(api, name, "plan")):
        assert answer.status == 500 and answer.message.startswith(f"received unexpected HTTP status: {status}")
    assert daemon.answers()


def test_an_index_that_says_another_size(api: Api, fault_registry: FaultRegistry) -> None:
    index = edited(make_platforms("liar"), lambda document: [
        entry.update(size=entry["size"] + 1) for entry in document["manifests"]])
    name = fault_registry.add(index, "team/app", "1")
    for query in ({}, {"platform": "all"}):
        status, text = ask_in_vain(api, name, "inspect", query)
        assert status == 500 and text.startswith("size of sha256:")
    assert ask_in_vain(api, name, "plan")[0] == api.pull(name).status == 500


def test_sizes_beyond_every_disk(api: Api, fault_registry: FaultRegistry) -> None:
    """Nothing turns over."""
    most = (1 << 63) - 1
    assert len(SMALL.layers) > 1
    image = edited(SMALL, lambda document: [layer.update(size=most) for layer in document["layers"]])
    name = fault_registry.add(image, "team/app", "1")
    assert ask_well(api, name, "inspect")["LayersTotalSize"] == -1, "not known, as with layers that do not say"
    planned = ask_well(api, name, "plan")
    assert (planned["Fetch"], planned["DiskNeeded"]) == (most, most)


# ---- places that a registry names ------------------------------------------------------------------------------------

@pytest.mark.parametrize("location, status, text", [
    ("http://10.0.0.1/x", 403, 'refusing redirect to "http://10.0.0.1/x": it is an internal address'),
    ("http://169.254.169.254/latest", 403,
     'refusing redirect to "http://169.254.169.254/latest": it is an internal address'),
    ("file:///etc/passwd", 400, "invalid URL: only http and https are supported")])
@pytest.mark.parametrize("path", ["manifests/.*", "blobs/.*", "tags/list.*"])
def test_redirects_that_are_not_followed(api: Api, fault_registry: FaultRegistry, path: str, location: str,
                                         status: int, text: str) -> None:
    name = fault_registry.add(SMALL, "team/app", "1")
    fault_registry.on("GET|HEAD", path, Reply(status=302, body=b"", headers={"Location": location}))
    assert ask_in_vain(api, name, "inspect") == (status, text)


@pytest.mark.parametrize("realm, text", [
    ("http://10.0.0.1/token", 'refusing token server "http://10.0.0.1/token": it is an internal address'),
    ("file:///etc/passwd", "refusing token server: invalid URL: only http and https are supported"),
    ("token", "refusing token server: invalid URL: no scheme"),
    ("http://user:pass@127.0.0.1:1/token", "refusing token server: invalid URL: user information is not allowed")])
def test_realms_that_are_not_asked(api: Api, fault_registry: FaultRegistry, realm: str, text: str) -> None:
    challenge(fault_registry, f'Bearer realm="{realm}",service="x"')
    for what in ("tags", "inspect"):
        assert ask_in_vain(api, f"{fault_registry.host}/team/app:1", what) == (403, text)


# ---- Docker's own path ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mirror_has_it", [True, False])
def test_distribution_asks_the_mirror_first(make_daemon: Callable[..., Daemon], registry: DockerRegistry,
                                            fault_registry: FaultRegistry, folder: Path, mirror_has_it: bool) -> None:
    name = registry.add(SMALL, "remote/mirrored", "1")
    if mirror_has_it:
        fault_registry.add(SMALL, "remote/mirrored", "1")
    certs = write_hosts(folder / "certs.d", registry.host, registry.url, fault_registry.host)
    daemon = make_daemon(arguments=("--certs-dir", str(certs))).start()
    auth = {"X-Registry-Auth": encode_auth({**LOGIN, "serveraddress": registry.host})}
    answer = daemon.api.get(f"/distribution/{name}/json", headers=auth).json()
    assert answer["Descriptor"]["digest"] == SMALL.digest
    assert answer["Platforms"][0]["os"] == "linux"
    assert fault_registry.requests
    assert not any(request.header("Authorization") for request in fault_registry.requests)
    daemon.stop()


def test_distribution_with_a_mirror_that_is_not_there(make_daemon: Callable[..., Daemon], registry: DockerRegistry,
                                                      folder: Path) -> None:
    name = registry.add(SMALL, "remote/mirrored", "2")
    certs = write_hosts(folder / "certs.d", registry.host, registry.url, f"127.0.0.1:{find_free_port()}")
    daemon = make_daemon(arguments=("--certs-dir", str(certs))).start()
    assert daemon.api.get(f"/distribution/{name}/json").json()["Descriptor"]["digest"] == SMALL.digest
    daemon.stop()


def test_distribution_corrects_size_and_media_type(api: Api, fault_registry: FaultRegistry) -> None:
    """They are those of the bytes, whatever the head says."""
    name = fault_registry.add(SMALL, "team/app", "1")
    fault_registry.on("GET|HEAD", "manifests/.*", Reply(headers={"Content-Type": "application/json"}))
    assert api.get(f"/distribution/{name}/json").json()["Descriptor"] == {
        "mediaType": SMALL.manifest.media_type, "digest": SMALL.digest, "size": SMALL.manifest.size}


@pytest.mark.parametrize("image_id", [SMALL.digest, SMALL.digest[7:]])
def test_distribution_of_an_id(api: Api, image_id: str) -> None:
    answer = api.get(f"/distribution/{image_id}/json")
    assert (answer.status, answer.message) == (500, "no manifest found for full image ID")


def test_distribution_of_an_artifact(api: Api, registry: DockerRegistry) -> None:
    artifact = make_artifact("application/x.sbom", [Blob.of(b"{}", "application/json")])
    name = registry.add(artifact, "remote/artifact-of-docker", "1")
    answer = api.get(f"/distribution/{name}/json").json()
    assert answer["Descriptor"]["digest"] == artifact.digest
    assert not answer["Platforms"]

# SPDX-License-Identifier: Apache-2.0
"""Who may do what to the registry: with passwords, and with tokens of a token server; by clients and request by request."""
from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Blob, edit_manifest
from lib.docker_cli import DockerCli
from lib.docker_registry import PASSWORD, USER, make_htpasswd_auth
from lib.embedded_registry import EmbeddedRegistry
from lib.engine_archives import docker_archive, load_well
from lib.registry_content import make_oci_image
from lib.registry_http import OCTETS, Answer, RegistryHttp, blob_at, manifest_at, referrers, uploads, with_digest
from lib.samples import make_small_image, random_bytes
from lib.storage_clients import run
from lib.token_server import TokenServer

IMAGE = make_oci_image("logins")
CARRIED = make_small_image("logins")
DATA = random_bytes("logins", 500)
BLOB = Blob.of(DATA)
HERE, ELSEWHERE = "team/app", "other/app"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def start(binary: Path, folder: Path, *arguments: str) -> Iterator[EmbeddedRegistry]:
    registry = EmbeddedRegistry(binary, folder, arguments)
    try:
        yield registry.start()
        registry.stop()
    finally:
        registry.daemon.discard()


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(make_htpasswd_auth(tmp_path_factory.mktemp("htpasswd"))["htpasswd"]["path"])


@pytest.fixture(scope="module")
def with_passwords(binary: Path, tmp_path_factory: pytest.TempPathFactory,
                   password_file: Path) -> Iterator[EmbeddedRegistry]:
    yield from start(binary, tmp_path_factory.mktemp("passwords"), "--registry-htpasswd", str(password_file))


@pytest.fixture(scope="module")
def for_readers(binary: Path, tmp_path_factory: pytest.TempPathFactory,
                password_file: Path) -> Iterator[EmbeddedRegistry]:
    """Everybody may pull."""
    yield from start(binary, tmp_path_factory.mktemp("readers"), "--registry-htpasswd", str(password_file),
                     "--registry-anonymous-pull")


@pytest.fixture(scope="module")
def with_tokens(binary: Path, tmp_path_factory: pytest.TempPathFactory,
                token_server: TokenServer) -> Iterator[EmbeddedRegistry]:
    auth = token_server.registry_auth()["token"]
    yield from start(binary, tmp_path_factory.mktemp("tokens"), "--registry-token-realm", auth["realm"],
                     "--registry-token-service", auth["service"], "--registry-token-issuer", auth["issuer"],
                     "--registry-token-key", auth["rootcertbundle"], "--registry-class", "image", "--registry-class", "plugin")


# ---- request by request ---------------------------------------------------------------------------------------------

class Actor:
    """Sends each kind of request to a repository that has IMAGE and BLOB, and an upload under way."""

    def __init__(self, registry: EmbeddedRegistry, everything: dict[str, str]):
        self._registry = registry
        self._everything = everything

    def act(self, name: str, headers: dict[str, str]) -> Answer:
        with self._registry.client(self._everything) as owner:
            owner.push(HERE, IMAGE, "1")
            owner.push_blob(HERE, BLOB)
            location = owner.start_upload(HERE)
        with self._registry.client(headers) as http:
            return REQUESTS[name][1](http, location)


Call = Callable[[RegistryHttp, str], Answer]
PULL, PUSH, DELETE, CATALOG = "pull", "push", "delete", "catalog"
# What each takes, and how it is sent.
REQUESTS: dict[str, tuple[set[str], Call]] = {
    "manifest": ({PULL}, lambda http, _: http.get_manifest(HERE, "1")),
    "manifest head": ({PULL}, lambda http, _: http.head(manifest_at(HERE, IMAGE.digest))),
    "manifest put": ({PULL, PUSH}, lambda http, _: http.put_manifest(HERE, "2", IMAGE.manifest)),
    "latest put": ({PULL, PUSH}, lambda http, _: http.put_manifest(HERE, "latest", IMAGE.manifest)),
    "tag delete": ({DELETE}, lambda http, _: http.delete(manifest_at(HERE, "1"))),
    "manifest delete": ({DELETE}, lambda http, _: http.delete(manifest_at(HERE, IMAGE.digest))),
    "blob": ({PULL}, lambda http, _: http.get(blob_at(HERE, BLOB.digest))),
    "blob head": ({PULL}, lambda http, _: http.head(blob_at(HERE, BLOB.digest))),
    "blob delete": ({DELETE}, lambda http, _: http.delete(blob_at(HERE, BLOB.digest))),
    "upload": ({PULL, PUSH}, lambda http, _: http.post(uploads(HERE))),
    "upload whole": ({PULL, PUSH}, lambda http, _: http.post(with_digest(uploads(HERE), BLOB.digest), DATA,
                                                           {"Content-Type": OCTETS})),
    "chunk": ({PULL, PUSH}, lambda http, location: http.patch(location, DATA)),
    "commit": ({PULL, PUSH}, lambda http, location: http.commit(location, BLOB.digest, DATA)),
    "cancel": ({PUSH}, lambda http, location: http.delete(location)),
    "tags": ({PULL}, lambda http, _: http.get(f"/v2/{HERE}/tags/list")),
    "referrers": ({PULL}, lambda http, _: http.get(referrers(HERE, IMAGE.digest))),
    "catalog": ({CATALOG}, lambda http, _: http.get("/v2/_catalog")),
}
ROLES = {"nobody": None, "pull": {PULL}, "push": {PUSH}, "pull and push": {PULL, PUSH}, "delete": {DELETE},
         "catalog": {CATALOG}, "all": {PULL, PUSH, DELETE, CATALOG}}


def scopes_of(actions: set[str], repository: str = HERE) -> list[str]:
    named = ",".join(sorted(actions - {CATALOG}))
    return ([f"repository:{repository}:{named}"] if named else []) + (["registry:catalog:*"] if CATALOG in actions else [])


@pytest.mark.parametrize("role", ROLES)
def test_what_a_token_is_good_for(with_tokens: EmbeddedRegistry, token_server: TokenServer, role: str) -> None:
    def bearer(actions: set[str] | None) -> dict[str, str]:
        if actions is None:
            return {}
        return {"Authorization": f"Bearer {token_server.make_token(USER, scopes_of(actions))}"}

    headers, granted = bearer(ROLES[role]), ROLES[role]
    actor = Actor(with_tokens, bearer(ROLES["all"]))
    for name, (needed, _) in REQUESTS.items():
        answer = actor.act(name, headers)
        if granted is not None and needed <= granted:
            assert answer.status < 300, (name, answer.status, answer.body)
            continue
        assert answer.status == 401, (name, answer.status)
        assert "head" in name or answer.codes == ["UNAUTHORIZED"] or answer.codes == ["DENIED"], answer.body
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith("Bearer realm=") and 'scope="' in challenge
        assert ('error="insufficient_scope"' in challenge) == (granted is not None)


def test_a_token_for_another_repository_is_good_for_nothing(with_tokens: EmbeddedRegistry,
                                                            token_server: TokenServer) -> None:
    everything = {"Authorization": f"Bearer {token_server.make_token(USER, scopes_of(ROLES['all']))}"}
    elsewhere = {"Authorization": f"Bearer {token_server.make_token(USER, scopes_of(ROLES['all'] - {CATALOG}, ELSEWHERE))}"}
    actor = Actor(with_tokens, everything)
    for name in REQUESTS:
        assert actor.act(name, elsewhere).status == 401, name


def test_a_mount_takes_the_right_to_pull_there(with_tokens: EmbeddedRegistry, token_server: TokenServer) -> None:
    """Without a source, it is not even told whether anybody has it."""
    own = Blob.of(b"of elsewhere")

    def client(*scopes: str) -> RegistryHttp:
        return with_tokens.client({"Authorization": f"Bearer {token_server.make_token(USER, list(scopes))}"})

    push_here, push_there = f"repository:{HERE}:pull,push", f"repository:{ELSEWHERE}:pull,push"
    with client(push_there) as http:
        http.push_blob(ELSEWHERE, own)
    with client(push_here) as http:
        answer = http.post(f"{uploads(HERE)}?mount={own.digest}&from={ELSEWHERE}").expect(401)
        assert f'scope="repository:{HERE}:pull,push repository:{ELSEWHERE}:pull"' in answer.headers["WWW-Authenticate"]
        http.delete(http.post(f"{uploads(HERE)}?mount={own.digest}").expect(202).location).expect(204)
        http.head(blob_at(HERE, own.digest)).expect(404)
    with client(push_here, f"repository:{ELSEWHERE}:pull") as http:
        http.post(f"{uploads(HERE)}?mount={own.digest}").expect(201)
        http.post(f"{uploads(HERE)}?mount={own.digest}&from={ELSEWHERE}").expect(201)


def test_a_token_names_the_classes_that_may_be_pushed(with_tokens: EmbeddedRegistry, token_server: TokenServer) -> None:
    """Without a class it is for images."""
    document = json.loads(CARRIED.manifest.read())
    plugin = edit_manifest(CARRIED, config={**document["config"], "mediaType": "application/vnd.docker.plugin.v1+json"})
    for kind, allowed, refused, name in (("repository", CARRIED, plugin, "plugin"),
                                         ("repository(plugin)", plugin, CARRIED, "image")):
        token = token_server.make_token(USER, [f"{kind}:{HERE}:pull,push"])
        with with_tokens.client({"Authorization": f"Bearer {token}"}) as http:
            http.push_content(HERE, CARRIED)
            http.put_manifest(HERE, "class", allowed.manifest).expect(201)
            answer = http.put_manifest(HERE, "class", refused.manifest).expect(403, "DENIED")
            assert answer.json()["errors"][0]["message"] == f"repository not authorized for {name} manifest"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a.b", "." * 100, "x" * 20_000])
def test_what_is_no_token(with_tokens: EmbeddedRegistry, token: str) -> None:
    with with_tokens.client({"Authorization": f"Bearer {token}"}) as http:
        assert http.get("/v2/").status in (400, 401, 431)


def test_what_a_password_is_good_for(with_passwords: EmbeddedRegistry) -> None:
    actor = Actor(with_passwords, basic(USER, PASSWORD))
    for name in REQUESTS:
        assert actor.act(name, basic(USER, PASSWORD)).status < 300, name
        for headers in ({}, basic(USER, "wrong"), basic("mallory", PASSWORD), basic(USER, ""), basic("", ""),
                        {"Authorization": "Basic !!!"}, {"Authorization": f"Bearer {PASSWORD}"}):
            answer = actor.act(name, headers)
            assert answer.status == 401, (name, headers, answer.status)
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="lighterd"'


def test_readers_without_a_name(for_readers: EmbeddedRegistry) -> None:
    actor = Actor(for_readers, basic(USER, PASSWORD))
    for name, (needed, _) in REQUESTS.items():
        assert (actor.act(name, {}).status < 300) == (needed == {PULL}), name
        assert actor.act(name, basic(USER, "wrong")).status == 401, name


def test_a_password_that_changes(make_embedded: Callable[..., EmbeddedRegistry], folder: Path) -> None:
    path = Path(make_htpasswd_auth(folder)["htpasswd"]["path"])
    registry = make_embedded("--registry-htpasswd", str(path)).start()
    with registry.client(basic(USER, PASSWORD)) as http:
        http.get("/v2/").expect(200)
        path.write_text(run("htpasswd", "-Bbn", "-C", "4", USER, "another"))
        http.get("/v2/").expect(401, "UNAUTHORIZED")
    with registry.client(basic(USER, "another")) as http:
        http.get("/v2/").expect(200)
    registry.stop()
    for secret in (PASSWORD, "another"):
        assert secret not in registry.daemon.log_text()


# ---- clients --------------------------------------------------------------------------------------------------------

@pytest.fixture(params=["with_passwords", "with_tokens"])
def guarded(request: pytest.FixtureRequest) -> EmbeddedRegistry:
    return request.getfixturevalue(request.param)


def test_docker_logs_in(guarded: EmbeddedRegistry, folder: Path, repository: str) -> None:
    daemon = guarded.daemon
    cli = DockerCli(daemon.host, folder / "config")
    name = f"{guarded.host}/{repository}:1"
    load_well(daemon.api, docker_archive((CARRIED, [name])))
    cli.fails("push", name)
    assert "unauthorized" in cli.fails("login", "-u", USER, "-p", "wrong", guarded.host).lower()
    cli.ok("login", "-u", USER, "-p", PASSWORD, guarded.host)
    cli.ok("push", name)
    cli.ok("rmi", name)
    cli.ok("pull", name)
    cli.ok("logout", guarded.host)
    cli.ok("rmi", name)
    cli.fails("pull", name)
    assert PASSWORD not in daemon.log_text()


def test_skopeo_logs_in(guarded: EmbeddedRegistry, registry: object, repository: str) -> None:
    source = registry.add(IMAGE, repository, "1")
    target = f"docker://{guarded.host}/{repository}:1"
    credentials = f"{USER}:{PASSWORD}"
    run("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", credentials,
        "--preserve-digests", f"docker://{source}", target)
    told = json.loads(run("skopeo", "inspect", "--tls-verify=false", "--creds", credentials, target))
    assert told["Digest"] == IMAGE.digest
    with pytest.raises(AssertionError, match="(?i)unauthorized|authentication|denied"):
        run("skopeo", "inspect", "--tls-verify=false", "--no-creds", target)


def test_deletes_by_skopeo(guarded: EmbeddedRegistry, registry: object, repository: str) -> None:
    source = registry.add(IMAGE, repository, "1")
    target = f"docker://{guarded.host}/{repository}:1"
    credentials = f"{USER}:{PASSWORD}"
    run("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", credentials,
        "--preserve-digests", f"docker://{source}", target)
    run("skopeo", "delete", "--tls-verify=false", "--creds", credentials, target)
    with pytest.raises(AssertionError, match="manifest unknown"):
        run("skopeo", "inspect", "--tls-verify=false", "--creds", credentials, target)

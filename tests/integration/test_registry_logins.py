# SPDX-License-Identifier: Apache-2.0
"""Who may do what to the registry: with passwords, and with tokens of a token server; by clients and request by request."""
from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from image_maker import Blob, edit_manifest
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.docker_registry import PASSWORD, USER, DockerRegistry, make_htpasswd_auth
from lib.dockerd import Dockerd
from lib.embedded_registry import EmbeddedRegistry
from lib.engine_archives import docker_archive, load_well
from lib.fault_registry import FaultRegistry
from lib.registry_content import OCI_MANIFEST, make_oci_image
from lib.registry_http import OCTETS, Answer, RegistryHttp, blob_at, manifest_at, referrers, uploads, with_digest
from lib.samples import make_small_image, random_bytes
from lib.storage_clients import Storage, run
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
    "base": (set(), lambda http, _: http.get("/v2/")),
    "base head": (set(), lambda http, _: http.head("/v2/")),
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
    "upload status": ({PULL}, lambda http, location: http.get(location)),
    "upload status head": ({PULL}, lambda http, location: http.head(location)),
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
        assert challenge.startswith("Bearer realm=") and ('scope="' in challenge) == bool(needed)
        assert ('error="insufficient_scope"' in challenge) == (granted is not None)


def test_a_token_for_another_repository_is_good_for_nothing(with_tokens: EmbeddedRegistry,
                                                            token_server: TokenServer) -> None:
    everything = {"Authorization": f"Bearer {token_server.make_token(USER, scopes_of(ROLES['all']))}"}
    elsewhere = {"Authorization": f"Bearer {token_server.make_token(USER, scopes_of(ROLES['all'] - {CATALOG}, ELSEWHERE))}"}
    actor = Actor(with_tokens, everything)
    for name, (needed, _) in REQUESTS.items():
        status = actor.act(name, elsewhere).status
        assert status == 401 if needed else status == 200, name


@pytest.mark.parametrize("source", [f"&from={ELSEWHERE}", "&from=", ""], ids=["named", "empty", "none"])
def test_a_mount_takes_the_right_to_pull_there(with_tokens: EmbeddedRegistry, token_server: TokenServer,
                                               source: str) -> None:
    """Without a source, it is not even told whether anybody has it."""
    own = Blob.of(f"of elsewhere, mounted with '{source}'".encode())
    mount = f"{uploads(HERE)}?mount={own.digest}{source}"

    def client(*scopes: str) -> RegistryHttp:
        return with_tokens.client({"Authorization": f"Bearer {token_server.make_token(USER, list(scopes))}"})

    push_here, push_there = f"repository:{HERE}:pull,push", f"repository:{ELSEWHERE}:pull,push"
    with client(push_there) as http:
        http.push_blob(ELSEWHERE, own)
    with client(push_here) as http:
        if ELSEWHERE in source:
            challenge = http.post(mount).expect(401).headers["WWW-Authenticate"]
            assert f'scope="repository:{HERE}:pull,push repository:{ELSEWHERE}:pull"' in challenge
        else:
            http.delete(http.post(mount).expect(202).location).expect(204)
        http.head(blob_at(HERE, own.digest)).expect(404)
    with client(push_here, f"repository:{ELSEWHERE}:pull") as http:
        http.post(mount).expect(201)
        assert http.get(blob_at(HERE, own.digest)).expect(200).body == own.read()


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


# ---- names that lead elsewhere --------------------------------------------------------------------------------------

OPEN, SECRET = "app", "secret.example"  # ?ns=secret.example makes secret.example/app of app


@dataclasses.dataclass(frozen=True)
class Site:
    """A registry with tokens that has pushed, pulled and cached repositories, with IMAGE in each as "1"."""

    registry: EmbeddedRegistry
    tokens: TokenServer
    upstream: FaultRegistry
    pulled: str  # the registry's host, as names have it

    def client(self, *names: str, actions: str = "pull") -> RegistryHttp:
        scopes = [f"repository:{name}:{actions}" for name in names]
        return self.registry.client({"Authorization": f"Bearer {self.tokens.make_token(USER, scopes)}"})

    @property
    def cached(self) -> str:
        return self.upstream.host.replace(":", "_")


@pytest.fixture(scope="module")
def site(binary: Path, tmp_path_factory: pytest.TempPathFactory, token_server: TokenServer,
         registry: DockerRegistry) -> Iterator[Site]:
    auth = token_server.registry_auth()["token"]
    upstream = FaultRegistry()
    for repository in ("cached/app", "first/app", "hinted/app", "prefixed/app", "default/app", "both/app", "site/both/app"):
        upstream.add(IMAGE, repository, "1")
    name = registry.add(IMAGE, "pulled/app", "1")
    made = start(binary, tmp_path_factory.mktemp("site"), "--registry-token-realm", auth["realm"],
                 "--registry-token-service", auth["service"], "--registry-token-issuer", auth["issuer"],
                 "--registry-token-key", auth["rootcertbundle"], "--registry-upstream", upstream.host,
                 "--registry-upstream", f"site={upstream.host}", "--registry-upstream", f"={upstream.host}")
    for embedded in made:
        embedded.daemon.api.pull_well(name)
        site = Site(embedded, token_server, upstream, name.partition("/")[0].replace(":", "_"))
        with site.client(OPEN, f"{SECRET}/{OPEN}", actions="pull,push") as http:
            http.push(f"{SECRET}/{OPEN}", IMAGE, "1")
            http.push(OPEN, CARRIED, "1")
        yield site
    upstream.stop()


# Path, ns, and the names whose pull it takes; {cached} and {pulled} are hosts as names have them, {upstream} and {host} as
# ns has them.
PLACES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "pushed": (f"{SECRET}/{OPEN}", "", (f"{SECRET}/{OPEN}",)),
    "pushed by ns": (OPEN, SECRET, (OPEN, f"{SECRET}/{OPEN}")),
    "pulled": ("{pulled}/pulled/app", "", ("{pulled}/pulled/app",)),
    "pulled by ns": ("pulled/app", "{host}", ("pulled/app", "{pulled}/pulled/app")),
    "cached": ("{cached}/cached/app", "", ("{cached}/cached/app",)),
    "cached by ns": ("hinted/app", "{upstream}", ("hinted/app", "{cached}/hinted/app")),
    "cached by prefix": ("site/prefixed/app", "", ("site/prefixed/app",)),
    "cached by default": ("default/app", "", ("default/app",)),
    "prefix and ns": ("site/both/app", "{upstream}", ("site/both/app", "{cached}/site/both/app")),
}


def make_place(site: Site, name: str) -> tuple[str, str, list[str]]:
    path, ns, needed = PLACES[name]
    hosts = {"pulled": site.pulled, "cached": site.cached, "upstream": site.upstream.host,
             "host": site.pulled.replace("_", ":")}
    query = f"?ns={ns.format(**hosts)}" if ns else ""
    return path.format(**hosts), query, [each.format(**hosts) for each in needed]


def reads(path: str, query: str) -> list[tuple[str, str]]:
    found = [("GET", manifest_at(path, "1")), ("HEAD", manifest_at(path, IMAGE.digest)), ("GET", referrers(path, IMAGE.digest)),
             ("GET", f"/v2/{path}/tags/list"), *((method, blob_at(path, IMAGE.config.digest)) for method in ("HEAD", "GET"))]
    return [(method, target + query) for method, target in found]


def writes(path: str, query: str) -> list[tuple[str, str]]:
    found = [("PUT", manifest_at(path, "2")), ("DELETE", manifest_at(path, "1")), ("DELETE", manifest_at(path, IMAGE.digest)),
             ("DELETE", blob_at(path, IMAGE.config.digest)), ("POST", uploads(path))]
    return [(method, target + query) for method, target in found]


@pytest.mark.parametrize("place", PLACES)
def test_what_it_takes_to_read_there(site: Site, place: str) -> None:
    """The name in the path, and with ns the name that is read as well; of neither is anything told to others."""
    path, query, needed = make_place(site, place)
    before = len(site.upstream.requests)
    subsets = [needed[:count] for count in range(len(needed))] + ([needed[1:]] if len(needed) > 1 else [])
    for granted in [*subsets, ["another/app"]]:
        with site.client(*granted, actions="pull,push,delete") as http:
            for method, target in [*reads(path, query), *writes(path, query)]:
                answer = http.request(method, target, {"Content-Type": OCI_MANIFEST})
                assert answer.status == 401 or (query and (method, target) not in reads(path, query) and answer.status == 405), \
                    (granted, method, target, answer.status, answer.body)
                assert answer.status == 405 or 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
        with site.client(*granted) as http:
            challenge = http.get(manifest_at(path, "1") + query).expect(401).headers["WWW-Authenticate"]
            for name in needed:
                assert f"repository:{name}:pull" in challenge
    assert len(site.upstream.requests) == before, "somebody without permission had upstream asked"
    with site.client(*needed) as http:
        for method, target in reads(path, query):
            http.request(method, target).expect(200)
        assert http.get(manifest_at(path, "1") + query).body == IMAGE.manifest.read()
        assert http.get(blob_at(path, IMAGE.config.digest) + query).body == IMAGE.config.read()


@pytest.mark.parametrize("place", [name for name, (_, ns, _) in PLACES.items() if ns])
def test_nothing_is_written_by_ns(site: Site, place: str) -> None:
    path, query, needed = make_place(site, place)
    with site.client(*needed) as reader, site.client(*needed, actions="*") as http:
        before = reader.get(manifest_at(path, "1") + query).expect(200).body
        for method, target in writes(path, query):
            body = IMAGE.manifest.read() if method == "PUT" else None
            http.request(method, target, {"Content-Type": OCI_MANIFEST}, body).expect(405, "UNSUPPORTED")
        session = http.start_upload(OPEN) if path == OPEN else ""
        for method, target in (("PATCH", session), ("PUT", with_digest(session, BLOB.digest)), ("DELETE", session)):
            if session:
                joined = f"{target}{'&' if '?' in target else '?'}{query[1:]}"
                http.request(method, joined, {"Content-Type": OCTETS}, DATA).expect(405, "UNSUPPORTED")
        if session:
            http.delete(session).expect(204)
        assert reader.get(manifest_at(path, "1") + query).expect(200).body == before


@pytest.mark.parametrize("kind", ["pulled", "cached"])
def test_a_mount_takes_the_right_to_pull_what_is_not_pushed(site: Site, kind: str) -> None:
    source, _, _ = make_place(site, kind)
    digest = IMAGE.layers[0].digest
    with site.client(source) as http:
        http.get(manifest_at(source, "1")).expect(200)
        http.get(blob_at(source, digest)).expect(200)
    target = f"mounts/{kind}"
    with site.client(target, actions="pull,push") as http:
        http.post(f"{uploads(target)}?mount={digest}&from={source}").expect(401)
        http.delete(http.post(f"{uploads(target)}?mount={digest}").expect(202).location).expect(204)
        http.head(blob_at(target, digest)).expect(404)
    token = site.tokens.make_token(USER, [f"repository:{target}:pull,push", f"repository:{source}:pull"])
    with site.registry.client({"Authorization": f"Bearer {token}"}) as http:
        http.post(f"{uploads(target)}?mount={digest}&from={source}").expect(201)
        http.head(blob_at(target, digest)).expect(200)


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


# ---- pulls without a login ------------------------------------------------------------------------------------------

@pytest.fixture
def readable(for_readers: EmbeddedRegistry, repository: str) -> str:
    """An image that everybody may pull."""
    with for_readers.client(basic(USER, PASSWORD)) as http:
        http.push(repository, CARRIED, "1")
    return f"{for_readers.host}/{repository}:1"


def test_skopeo_pulls_without_a_login(readable: str, folder: Path) -> None:
    run("skopeo", "--insecure-policy", "copy", "--src-tls-verify=false", f"docker://{readable}", f"dir:{folder}/copied")
    assert (folder / "copied" / "manifest.json").read_bytes() == CARRIED.manifest.read()
    with pytest.raises(AssertionError, match="(?i)unauthorized|authentication"):
        run("skopeo", "delete", "--tls-verify=false", f"docker://{readable}")


def test_podman_pulls_without_a_login(readable: str, folder: Path) -> None:
    storage = Storage(folder / "storage")
    storage.podman("pull", "-q", "--tls-verify=false", readable)
    [shown] = json.loads(storage.podman("image", "inspect", readable))
    assert shown["Labels"]["seed"] == "logins"


def test_docker_pulls_without_a_login_through_a_lighterd(readable: str, daemon: Daemon, cli: DockerCli) -> None:
    cli.ok("pull", readable)
    assert cli.json("image", "inspect", readable)[0]["Config"]["Labels"]["seed"] == "logins"
    other = f"{readable.rpartition(':')[0]}/other:1"
    cli.ok("tag", readable, other)
    assert "no basic auth credentials" in cli.fails("push", other)


def test_debians_dockerd_wants_a_login_for_every_pull(readable: str, dockerd: Dockerd, folder: Path) -> None:
    """It asks /v2/ first, takes the Basic challenge there as one for all, and has nothing to answer."""
    cli = DockerCli(dockerd.host, folder / "docker-config")
    assert "no basic auth credentials" in cli.fails("pull", readable)
    cli.log_in(readable.partition("/")[0], USER, PASSWORD)
    cli.ok("pull", readable)
    cli.ok("rmi", readable)

# SPDX-License-Identifier: Apache-2.0
"""GET /images/search against an index that stands in for Hub's, and a registry with the v1 API."""
from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Callable, Iterator

import docker
import pytest

from lib.api import Answer, encode_auth
from lib.daemon import Daemon
from lib.docker_cli import DockerCli
from lib.process import find_free_port
from lib.search_index import SearchIndex

HITS = [
    {"name": "nginx", "description": "Official <build> of Nginx.", "star_count": 20000, "is_official": True,
     "is_automated": False},
    {"name": "team/nginx", "description": "Ours", "star_count": 12, "is_official": False, "is_automated": False},
    {"name": "other/nginx", "description": "", "star_count": 0, "is_official": False, "is_automated": False},
]
AUTH = {"username": "alice", "password": "wonderland"}


def make_index() -> SearchIndex:
    index = SearchIndex()
    for hit in HITS:
        index.add(hit["name"], hit["star_count"], hit["is_official"], hit["description"])
    return index


@pytest.fixture
def index() -> Iterator[SearchIndex]:
    index = make_index()
    yield index
    index.stop()


@pytest.fixture
def other_index() -> Iterator[SearchIndex]:
    index = make_index()
    yield index
    index.stop()


def asked(index: SearchIndex) -> list[tuple[str, dict[str, list[str]]]]:
    """Paths and queries of its requests."""
    urls = [urllib.parse.urlsplit(target) for target, _ in index.requests]
    return [(url.path, urllib.parse.parse_qs(url.query)) for url in urls]


@pytest.fixture
def searcher(make_daemon: Callable[..., Daemon], index: SearchIndex) -> Iterator[Daemon]:
    daemon = make_daemon("s", arguments=["--search-index", f"http://{index.host}/v1/"])
    yield daemon.start()
    daemon.stop()


def search(daemon: Daemon, term: str, headers: dict | None = None, **query: object) -> Answer:
    return daemon.api.get("/images/search", {"term": term, **query}, headers)


def names(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["name"] for item in answer.json()]


def test_the_index_is_asked_as_docker_asks(searcher: Daemon, index: SearchIndex) -> None:
    answer = search(searcher, "nginx", {"X-Registry-Auth": encode_auth(AUTH), "X-Meta-Team": "red"})
    assert answer.json() == [{**hit, "is_automated": False} for hit in HITS]
    assert asked(index) == [("/v1/search", {"q": ["nginx"], "n": ["25"]})]
    headers = index.requests[0][1]
    assert headers["X-Docker-Token"] == "true"
    assert headers["X-Meta-Team"] == "red"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"alice:wonderland").decode()


def test_without_credentials_there_is_no_authorization(searcher: Daemon, index: SearchIndex) -> None:
    search(searcher, "nginx", {"X-Registry-Auth": encode_auth({})})
    search(searcher, "nginx", {"X-Registry-Auth": encode_auth({**AUTH, "serveraddress": "https://elsewhere.example"})})
    assert [headers.get("Authorization") for _, headers in index.requests] == [None, None]


@pytest.mark.parametrize("term, words", [
    ("library/nginx", "nginx"), ("docker.io/library/nginx", "nginx"), ("index.docker.io/team/x", "team/x"),
    ("team/x", "team/x"), ("a b&c=d", "a b&c=d")])
def test_what_is_a_search_of_the_index(searcher: Daemon, index: SearchIndex, term: str, words: str) -> None:
    search(searcher, term)
    assert asked(index)[0][1]["q"] == [words]


def test_a_registry_in_the_term_is_asked_itself(searcher: Daemon, index: SearchIndex, other_index: SearchIndex) -> None:
    assert names(search(searcher, f"{other_index.host}/library/nginx", limit=100)) == []
    assert asked(other_index) == [("/v1/_ping", {}), ("/v1/search", {"q": ["library/nginx"], "n": ["100"]})]
    assert index.requests == []
    answer = search(searcher, f"127.0.0.1:{find_free_port()}/x")
    assert answer.status == 400
    assert answer.message.startswith("invalid registry endpoint https://127.0.0.1:")


def test_filters(searcher: Daemon) -> None:
    for filters, expected in [
            ({"is-official": ["true"]}, ["nginx"]), ({"is-official": {"false": True}}, ["team/nginx", "other/nginx"]),
            ({"stars": ["10"]}, ["nginx", "team/nginx"]), ({"stars": ["1", "13"]}, ["nginx"]),
            ({"is-automated": ["true"]}, []), ({"is-automated": ["0"]}, ["nginx", "team/nginx", "other/nginx"]),
            ({"stars": ["1"], "is-official": ["0"]}, ["team/nginx"])]:
        assert names(search(searcher, "nginx", filters=json.dumps(filters))) == expected, filters


@pytest.mark.parametrize("query, text", [
    ({"limit": "x"}, 'invalid limit specified: strconv.Atoi: parsing "x": invalid syntax'),
    ({"limit": "101"}, "limit 101 is outside the range of [1, 100]"),
    ({"limit": "-1"}, "limit -1 is outside the range of [1, 100]"),
    ({"term": "http://x/y"}, "invalid repository name: repository name (http://x/y) should not have a scheme"),
    ({"filters": '{"x":["y"]}'}, "invalid filter 'x'"),
    ({"filters": '{"stars":["many"]}'}, "invalid filter 'stars=many'"),
    ({"filters": '{"is-official":["maybe"]}'}, "invalid filter 'is-official=[maybe]'")])
def test_bad_requests(searcher: Daemon, index: SearchIndex, query: dict, text: str) -> None:
    answer = searcher.api.get("/images/search", {"term": "x", **query})
    assert answer.status == 400
    assert answer.message.startswith(text), answer.message
    assert index.requests == []


def test_limits_that_mean_the_default(searcher: Daemon, index: SearchIndex) -> None:
    for limit in ("", "0", "+25"):
        search(searcher, "x", limit=limit)
    assert [query["n"] for _, query in asked(index)] == [["25"]] * 3


def test_no_hits_are_an_empty_list(searcher: Daemon, index: SearchIndex) -> None:
    for body in (b'{"results":[]}', b'{"results":null}', b"{}", b'{"results":[1,{},{"name":""}]}'):
        index.body = body
        answer = search(searcher, "nothing")
        assert (answer.status, answer.body) == (200, b"[]\n")


def test_more_hits_than_asked_for_are_cut(searcher: Daemon, index: SearchIndex) -> None:
    index.body = json.dumps({"results": HITS}).encode()
    assert names(search(searcher, "nginx", limit=2)) == ["nginx", "team/nginx"]


def test_an_index_that_fails(searcher: Daemon, index: SearchIndex) -> None:
    for status in (401, 404, 503):
        index.status = status
        answer = search(searcher, "x")
        assert (answer.status, answer.message) == (500, f"unexpected status code {status}")
    index.status = 200
    for body in (b"[", b'{"results":' + b"[" * 100_000, b" " * (5 << 20)):
        index.body = body
        assert search(searcher, "x").status == 500


def test_a_redirect_elsewhere_takes_no_credentials_along(searcher: Daemon, index: SearchIndex, other_index: SearchIndex
                                                         ) -> None:
    index.redirect = f"http://{other_index.host}/v1/search?q=nginx"
    assert len(names(search(searcher, "x", {"X-Registry-Auth": encode_auth(AUTH)}))) == 3
    assert "Authorization" in index.requests[0][1]
    assert "Authorization" not in other_index.requests[0][1]


def test_a_bad_address_of_the_index_is_said_at_the_start(make_daemon: Callable[..., Daemon]) -> None:
    code, text = make_daemon("bad", arguments=["--search-index", "ftp://x"]).run_in_vain()
    assert code != 0
    assert "ftp://x" in text


# ---- clients --------------------------------------------------------------------------------------------------------

def test_docker_search(searcher: Daemon, folder, any_docker: str) -> None:
    cli = DockerCli(searcher.host, folder / "docker-config", any_docker)
    lines = cli.ok("search", "nginx").lines
    assert lines[0].split()[:3] == ["NAME", "DESCRIPTION", "STARS"]
    assert [line.split()[0] for line in lines[1:]] == ["nginx", "team/nginx", "other/nginx"]
    assert cli.ok("search", "--filter", "stars=10", "--limit", "5", "--format", "{{.Name}}", "nginx").lines == [
        "nginx", "team/nginx"]
    assert "outside the range" in cli.fails("search", "--limit", "200", "nginx")


def test_python_docker(searcher: Daemon) -> None:
    client = docker.DockerClient(base_url=searcher.host)
    assert [hit["name"] for hit in client.images.search("nginx", limit=5)] == ["nginx", "team/nginx", "other/nginx"]
    client.close()

# SPDX-License-Identifier: Apache-2.0
"""The requests that both engines get, in this order, each with what there is to compare of its answer.

Paths and parameters may hold `{...}`: what the stage has under that name (stage.py), of this engine where it differs.
"""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Union

# What an API of 20.10 is at most.
VERSION = "/v1.41"

Body = Union[bytes, str]


@dataclasses.dataclass(frozen=True)
class Step:
    """`kind` is how the answer is read: json, stream, events, tar, ping, or shape (keys and kinds of values alone).

    A body that is text names something of the stage. `learn` are images that the step makes: after it their IDs are
    known as `<id NAME>`.
    """

    name: str
    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: Body | None = None
    kind: str = "json"
    learn: Mapping[str, str] = dataclasses.field(default_factory=dict)


def get(name: str, path: str, *query: tuple[str, str], kind: str = "json") -> Step:
    return Step(name, "GET", VERSION + path, query, kind=kind)


def delete(name: str, path: str, *query: tuple[str, str]) -> Step:
    return Step(name, "DELETE", VERSION + path, query)


def post(name: str, path: str, *query: tuple[str, str], body: Body | None = None, kind: str = "json",
         headers: Mapping[str, str] | None = None, learn: Mapping[str, str] | None = None) -> Step:
    return Step(name, "POST", VERSION + path, query, headers or {}, body, kind, learn or {})


def pull(name: str, image: str, tag: str | None = None, *more: tuple[str, str], auth: str | None = None) -> Step:
    query = [("fromImage", image), *([("tag", tag)] if tag is not None else []), *more]
    return post(name, "/images/create", *query, kind="stream", headers={"X-Registry-Auth": auth} if auth else None)


def push(name: str, image: str, tag: str | None = None, auth: str = "{auth:none}") -> Step:
    return post(name, f"/images/{image}/push", *([("tag", tag)] if tag else []), kind="stream",
                headers={"X-Registry-Auth": auth})


def tag(name: str, source: str, *query: tuple[str, str]) -> Step:
    return post(name, f"/images/{source}/tag", *query)


def load(name: str, body: Body, *query: tuple[str, str], learn: Mapping[str, str] | None = None) -> Step:
    return post(name, "/images/load", *query, body=body, kind="stream", learn=learn,
                headers={"Content-Type": "application/x-tar"})


def bring(name: str, body: Body, *query: tuple[str, str], learn: Mapping[str, str] | None = None) -> Step:
    """An import."""
    return post(name, "/images/create", *query, body=body, kind="stream", learn=learn,
                headers={"Content-Type": "text/plain"})


def filters(**values: Sequence[str]) -> tuple[str, str]:
    return "filters", json.dumps(values)


def events(name: str, action: str) -> Step:
    return get(name, "/events", ("since", "0"), ("until", "{now}"), filters(type=["image"], event=[action]),
               kind="events")


def login(name: str, body: Body) -> Step:
    return post(name, "/auth", body=body, headers={"Content-Type": "application/json"})


SYSTEM = [
    Step("ping", "GET", "/_ping", kind="ping"),
    Step("ping-head", "HEAD", "/_ping", kind="ping"),
    get("ping-versioned", "/_ping", kind="ping"),
    Step("version-bare", "GET", "/version", kind="shape"),
    get("version", "/version", kind="shape"),
    get("info", "/info", kind="shape"),
    get("route-unknown", "/nowhere"),
    Step("method-unknown", "PUT", VERSION + "/images/json"),
    Step("head-of-a-get", "HEAD", VERSION + "/images/json"),
    Step("options", "OPTIONS", VERSION + "/images/json"),
    Step("version-too-new", "GET", "/v1.99/info"),
    Step("version-too-old", "GET", "/v1.11/info"),
    get("containers", "/containers/json"),
    get("volumes", "/volumes"),
    get("plugins", "/plugins"),
    get("container-unknown", "/containers/nothing/json"),
    get("network-unknown", "/networks/nothing"),
    get("volume-unknown", "/volumes/nothing"),
    get("plugin-unknown", "/plugins/nothing/json"),
    get("swarm", "/swarm"),
    get("nodes", "/nodes"),
    get("services", "/services"),
    get("secrets", "/secrets"),
    get("configs", "/configs"),
    get("df-empty", "/system/df"),
    get("list-empty", "/images/json"),
    post("prune-containers", "/containers/prune"),
    post("prune-volumes", "/volumes/prune"),
    post("prune-builds", "/build/prune"),
    post("prune-empty", "/images/prune"),
    get("events-bad-since", "/events", ("since", "yesterday")),
    get("events-until-before-since", "/events", ("since", "20"), ("until", "10")),
    get("events-none", "/events", ("since", "1"), ("until", "2"), kind="events"),
]

PULL = [
    pull("pull", "{registry}/diff/small", "1"),
    pull("pull-again", "{registry}/diff/small", "1"),
    pull("pull-tag-in-name", "{registry}/diff/small:1"),
    pull("pull-tag-twice", "{registry}/diff/small:none", "1"),
    pull("pull-digest-as-tag", "{registry}/diff/small", "{manifest:small}"),
    pull("pull-digest-in-name", "{registry}/diff/small@{manifest:small}"),
    pull("pull-trailing-colon", "{registry}/diff/many:"),
    pull("pull-all-tags", "{registry}/diff/many"),
    pull("pull-index", "{registry}/diff/app", "1"),
    pull("pull-oci", "{registry}/diff/oci", "1"),
    pull("pull-platform", "{registry}/diff/other", "1", ("platform", "linux/arm64")),
    pull("pull-platform-missing", "{registry}/diff/app", "1", ("platform", "linux/s390x")),
    pull("pull-platform-bad", "{registry}/diff/app", "1", ("platform", "foobar")),
    pull("pull-platform-of-single", "{registry}/diff/foreign", "1", ("platform", "linux/amd64")),
    pull("pull-tag-missing", "{registry}/diff/small", "none"),
    pull("pull-repository-missing", "{registry}/diff/none", "1"),
    pull("pull-all-tags-missing", "{registry}/diff/none"),
    pull("pull-upper-case", "{registry}/diff/UPPER", "1"),
    pull("pull-spaces", "a b", "1"),
    pull("pull-bad-tag", "{registry}/diff/small", "a/b"),
    pull("pull-bad-digest", "{registry}/diff/small", "sha256:zz"),
    pull("pull-scratch", "scratch", "latest"),
    pull("pull-nobody-listens", "{closed}/diff/small", "1"),
    pull("pull-no-credentials", "{private}/diff/small", "1"),
    pull("pull-wrong-password", "{private}/diff/small", "1", auth="{auth:wrong}"),
    pull("pull-credentials", "{private}/diff/small", "1", auth="{auth:right}"),
    pull("pull-garbled-credentials", "{registry}/diff/small", "1", auth="!!"),
    pull("pull-token-none", "{token}/diff/small", "1"),
    pull("pull-token-wrong", "{token}/diff/small", "1", auth="{auth:wrong}"),
    pull("pull-token", "{token}/diff/small", "1", auth="{auth:right}"),
    post("pull-nothing", "/images/create"),
]

LOOK = [
    get("list", "/images/json"),
    get("list-all", "/images/json", ("all", "1")),
    get("list-digests", "/images/json", ("digests", "1")),
    get("list-reference", "/images/json", filters(reference=["{registry}/diff/small"])),
    get("list-reference-glob", "/images/json", filters(reference=["{registry}/diff/*:1"])),
    get("list-reference-none", "/images/json", filters(reference=["nothing"])),
    get("list-label", "/images/json", filters(label=["seed"])),
    get("list-label-value", "/images/json", filters(label=["seed=small"])),
    get("list-labels", "/images/json", filters(label=["seed=small", "none"])),
    get("list-dangling", "/images/json", filters(dangling=["true"])),
    get("list-not-dangling", "/images/json", filters(dangling=["false"])),
    get("list-before", "/images/json", filters(before=["{registry}/diff/small:1"])),
    get("list-since", "/images/json", filters(since=["{registry}/diff/small:1"])),
    get("list-before-unknown", "/images/json", filters(before=["nothing"])),
    get("list-map-filter", "/images/json", ("filters", '{"label":{"seed=small":true}}')),
    get("list-empty-filter", "/images/json", ("filters", "")),
    get("list-bad-json", "/images/json", ("filters", "{")),
    get("list-bad-filter", "/images/json", ("filters", '{"label":"seed"}')),
    get("list-unknown-filter", "/images/json", filters(no=["such"])),
    get("list-bad-dangling", "/images/json", filters(dangling=["maybe"])),
    get("list-old-filter", "/images/json", ("filter", "nothing")),
    get("inspect", "/images/{registry}/diff/small:1/json"),
    get("inspect-id", "/images/{id:small}/json"),
    get("inspect-digits", "/images/{digits:small}/json"),
    get("inspect-short", "/images/{short:small}/json"),
    get("inspect-digest", "/images/{registry}/diff/small@{manifest:small}/json"),
    get("inspect-escaped", "/images/{registry}%2Fdiff%2Fsmall%40{manifest:small}/json"),
    get("inspect-index", "/images/{registry}/diff/app:1/json"),
    get("inspect-oci", "/images/{registry}/diff/oci:1/json"),
    get("inspect-other-platform", "/images/{registry}/diff/other:1/json"),
    get("inspect-unknown", "/images/nothing/json"),
    get("inspect-unknown-id", "/images/sha256:" + "0" * 64 + "/json"),
    get("inspect-unknown-short", "/images/deadbeef/json"),
    get("inspect-bad-name", "/images/UPPER/json"),
    get("history", "/images/{registry}/diff/small:1/history"),
    get("history-id", "/images/{id:app}/history"),
    get("history-unknown", "/images/nothing/history"),
    get("distribution", "/distribution/{registry}/diff/small:1/json"),
    get("distribution-index", "/distribution/{registry}/diff/app:1/json"),
    get("distribution-digest", "/distribution/{registry}/diff/app@{manifest:app}/json"),
    get("distribution-oci", "/distribution/{registry}/diff/oci:1/json"),
    get("distribution-missing", "/distribution/{registry}/diff/none:1/json"),
    get("distribution-bad-name", "/distribution/UPPER/json"),
    get("distribution-private", "/distribution/{private}/diff/small:1/json"),
]

TAG = [
    tag("tag", "{registry}/diff/small:1", ("repo", "mine"), ("tag", "1")),
    tag("tag-again", "{registry}/diff/small:1", ("repo", "mine"), ("tag", "1")),
    tag("tag-latest", "{id:small}", ("repo", "mine")),
    tag("tag-moved", "{registry}/diff/app:1", ("repo", "mine"), ("tag", "1")),
    tag("tag-in-repo", "{registry}/diff/app:1", ("repo", "in/repo:2"), ("tag", "")),
    tag("tag-by-parameter", "{registry}/diff/app:1", ("repo", "in/repo:2"), ("tag", "3")),
    tag("tag-unknown", "nothing", ("repo", "x")),
    tag("tag-upper-case", "mine:1", ("repo", "UPPER")),
    tag("tag-bad-tag", "mine:1", ("repo", "x"), ("tag", "a b")),
    tag("tag-digest", "mine:1", ("repo", "x@{manifest:small}")),
    tag("tag-algorithm", "mine:1", ("repo", "sha256"), ("tag", "x")),
    tag("tag-nothing", "mine:1"),
    get("inspect-tagged", "/images/mine:1/json"),
    get("list-tagged", "/images/json", filters(reference=["mine", "in/repo"])),
    tag("tag-to-push", "{registry}/diff/small:1", ("repo", "{own}"), ("tag", "1")),
    tag("tag-to-push-index", "{registry}/diff/app:1", ("repo", "{own}"), ("tag", "2")),
    push("push", "{own}", "1"),
    push("push-again", "{own}", "1"),
    push("push-all-tags", "{own}"),
    push("push-tag-missing", "{own}", "none"),
    push("push-repository-missing", "{registry}/diff/nothing"),
    push("push-upper-case", "{registry}/diff/UPPER", "1"),
    push("push-digest", "{own}@{manifest:small}"),
    post("push-without-credentials", "/images/{own}/push", ("tag", "1"), kind="stream"),
    tag("tag-to-private", "{registry}/diff/small:1", ("repo", "{own-private}"), ("tag", "1")),
    push("push-no-credentials", "{own-private}", "1"),
    push("push-credentials", "{own-private}", "1", "{auth:right}"),
]

ARCHIVES = [
    get("save", "/images/get", ("names", "mine:1"), kind="tar"),
    get("save-one", "/images/mine:1/get", kind="tar"),
    get("save-two", "/images/get", ("names", "mine:1"), ("names", "{registry}/diff/small:1"), kind="tar"),
    get("save-repository", "/images/get", ("names", "mine"), kind="tar"),
    get("save-id", "/images/get", ("names", "{id:small}"), kind="tar"),
    get("save-twice", "/images/get", ("names", "mine:1"), ("names", "mine:1"), kind="tar"),
    get("save-unknown", "/images/get", ("names", "nothing"), kind="tar"),
    get("save-one-unknown", "/images/get", ("names", "mine:1"), ("names", "nothing"), kind="tar"),
    load("load", "archive", learn={"loaded:1": "loaded"}),
    load("load-again", "archive", ("quiet", "0")),
    load("load-loud", "archive-two", ("quiet", "0"), learn={"loaded:2": "loaded 2", "loaded:3": "loaded 3"}),
    load("load-compressed", "archive-gzip"),
    load("load-moves-a-tag", "archive-moved", learn={"loaded:1": "loaded moved"}),
    load("load-nameless", "archive-nameless"),
    load("load-empty", b""),
    load("load-garbage", b"this is no archive"),
    load("load-bad-tag", "archive-bad-tag"),
    load("load-stored-layer", "archive-stored-layer"),
    delete("delete-stored-layer", "/images/broken:1"),
    load("load-missing-layer", "archive-missing-layer"),
    load("load-wrong-layer", "archive-wrong-layer"),
    load("load-too-few-layers", "archive-too-few-layers"),
    load("load-without-manifest", "rootfs"),
    get("inspect-loaded", "/images/loaded:1/json"),
]

IMPORTS = [
    bring("import", "rootfs", ("fromSrc", "-"), ("repo", "imported"), ("tag", "1"), ("message", "by hand"),
          learn={"imported:1": "imported"}),
    bring("import-latest", "rootfs", ("fromSrc", "-"), ("repo", "imported"),
          learn={"imported:latest": "imported latest"}),
    bring("import-tag-in-repo", "rootfs", ("fromSrc", "-"), ("repo", "imported:2"), learn={"imported:2": "imported 2"}),
    bring("import-changes", "rootfs", ("fromSrc", "-"), ("repo", "imported"), ("tag", "changed"),
          ("changes", "ENV A=b C=d"), ("changes", "CMD run it"), ("changes", "entrypoint [\"/x\", \"y\"]"),
          ("changes", "LABEL one=1 two=\"2 2\""), ("changes", "EXPOSE 80 443/udp"), ("changes", "VOLUME /data"),
          ("changes", "USER me"), ("changes", "WORKDIR /w"), ("changes", "ONBUILD RUN x"),
          ("changes", "HEALTHCHECK --interval=5s CMD check"), learn={"imported:changed": "imported changed"}),
    bring("import-stop-signal", "rootfs", ("fromSrc", "-"), ("repo", "stop"), ("changes", "STOPSIGNAL SIGUSR1"),
          learn={"stop": "imported stop"}),
    delete("delete-stop-signal", "/images/stop"),
    bring("import-platform", "rootfs", ("fromSrc", "-"), ("repo", "imported"), ("tag", "arm"),
          ("platform", "linux/arm64"), learn={"imported:arm": "imported arm"}),
    bring("import-bad-change", "rootfs", ("fromSrc", "-"), ("repo", "imported"), ("changes", "RUN x")),
    bring("import-digest", "rootfs", ("fromSrc", "-"), ("repo", "x@{manifest:small}")),
    bring("import-upper-case", "rootfs", ("fromSrc", "-"), ("repo", "UPPER")),
    bring("import-garbage", b"this is no archive", ("fromSrc", "-"), ("repo", "imported"), ("tag", "garbage")),
    bring("import-nobody-listens", b"", ("fromSrc", "http://{closed}/x"), ("repo", "x")),
    bring("import-url-missing", b"", ("fromSrc", "{registry-url}/none"), ("repo", "x")),
    get("inspect-imported", "/images/imported:1/json"),
    get("inspect-import-changed", "/images/imported:changed/json"),
    get("inspect-import-platform", "/images/imported:arm/json"),
    get("history-imported", "/images/imported:1/history"),
    delete("delete-imported", "/images/imported:2"),
    events("events-import", "import"),
]

SEARCH = [
    get("search", "/images/search", ("term", "{index}/app")),
    get("search-nothing", "/images/search", ("term", "{index}/nothing")),
    get("search-stars", "/images/search", ("term", "{index}/app"), filters(stars=["5"])),
    get("search-official", "/images/search", ("term", "{index}/app"), filters(**{"is-official": ["true"]})),
    get("search-automated", "/images/search", ("term", "{index}/app"), filters(**{"is-automated": ["true"]})),
    get("search-bad-stars", "/images/search", ("term", "{index}/app"), filters(stars=["many"])),
    get("search-bad-filter", "/images/search", ("term", "{index}/app"), filters(no=["such"])),
    get("search-limit", "/images/search", ("term", "{index}/app"), ("limit", "1")),
    get("search-limit-large", "/images/search", ("term", "{index}/app"), ("limit", "101")),
    get("search-limit-text", "/images/search", ("term", "{index}/app"), ("limit", "x")),
    get("search-scheme", "/images/search", ("term", "http://{index}/app")),
    login("login-open", "login:open"),
    login("login-basic", "login:basic"),
    login("login-basic-wrong", "login:basic-wrong"),
    login("login-token", "login:token"),
    login("login-token-wrong", "login:token-wrong"),
    login("login-bad-json", b"{"),
    login("login-nobody-listens", "login:closed"),
]

REMOVE = [
    delete("delete-unknown", "/images/nothing"),
    delete("delete-blank", "/images/%20"),
    delete("delete-upper-case", "/images/UPPER"),
    delete("delete-conflict", "/images/{id:small}"),
    delete("delete-name", "/images/mine:latest"),
    delete("delete-name-forced", "/images/in/repo:2", ("force", "1")),
    delete("delete-last-name", "/images/loaded:2"),
    delete("delete-id", "/images/{id:foreign}"),
    delete("delete-forced", "/images/{id:small}", ("force", "True")),
    delete("delete-again", "/images/{id:small}"),
    get("df", "/system/df"),
    post("prune-bad-filter", "/images/prune", filters(no=["such"])),
    post("prune-bad-until", "/images/prune", filters(until=["sometime"])),
    post("prune-label", "/images/prune", filters(dangling=["false"], label=["seed=many-a"])),
    post("prune-until", "/images/prune", filters(dangling=["false"], until=["2001-01-01T00:00:00Z"])),
    post("prune", "/images/prune"),
    get("list-pruned", "/images/json"),
    events("events-pull", "pull"),
    events("events-push", "push"),
    events("events-tag", "tag"),
    events("events-save", "save"),
    events("events-load", "load"),
    events("events-untag", "untag"),
    events("events-delete", "delete"),
    post("prune-all", "/images/prune", filters(dangling=["false"])),
    get("list-after-all", "/images/json"),
    get("df-after-all", "/system/df"),
]

STEPS = [*SYSTEM, *PULL, *LOOK, *TAG, *ARCHIVES, *IMPORTS, *SEARCH, *REMOVE]

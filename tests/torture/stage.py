# SPDX-License-Identifier: Apache-2.0
"""One case played against a daemon, and judged."""
from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import hashlib
import http.client
import random
import re
import time
from pathlib import Path

import image_maker
from certificates import Authority
from content import Content
from fault_server import FaultServer, Site
from image_maker import Blob, Image, Layer
from lib.api import Answer, encode_auth
from lib.daemon import Daemon
from lib.samples import HOST_PLATFORM
from matrix import LARGE_LAYER, Case

WATCHERS = 8
GRACE = 0.02  # of clocks and timers
IN_FLIGHT_SECONDS = 0.3  # what was on its way when a host asked to be left alone


@functools.lru_cache(maxsize=4)
def _filler(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def make_big_layer(seed: str, size: int) -> tuple[Layer, Content]:
    """An uncompressed layer of its own digest whose bulk is shared with others."""
    name = hashlib.sha256(seed.encode()).hexdigest()[:16]
    body = _filler(size)
    head = image_maker.make_tar({f"{name}/": ""})[:512]
    file_head = image_maker._tar_header(name, size)  # pylint: disable=protected-access
    tail = bytes(-size % 512 + 1024)
    content = Content(head, file_head, body, tail)
    digest = content.digest()
    return Layer(Blob(digest, content.size), digest, "none"), content



@dataclasses.dataclass
class Verdict:
    case: Case
    watchers: int
    problems: list[str]
    seconds: float

    @property
    def name(self) -> str:
        return f"{self.case.name} x{self.watchers}"


@dataclasses.dataclass
class Ending:
    """What one client saw."""

    name: str
    image: Image
    answer: Answer | None
    failure: str
    seconds: float

    @property
    def error(self) -> str | None:
        if self.answer is None:
            return self.failure
        if self.answer.status >= 400:
            return self.answer.message
        try:
            return self.answer.error
        except ValueError:
            return "the stream is no JSON: " + self.answer.body[-200:].decode(errors="replace")


class Stage:
    """`slack` stretches the bounds of time, for a machine that does other things as well."""

    def __init__(self, daemon: Daemon, folder: Path, slack: float = 1):
        self.daemon = daemon
        self.slack = slack
        self.server = FaultServer()
        self.authority = Authority(folder / "certificates")
        self._seeds: dict[int, Image] = {}

    def stop(self) -> None:
        self.server.stop()

    def play(self, case: Case, watchers: int = 1) -> Verdict:
        began = time.monotonic()
        if watchers > 1 and case.outcome == "error" and not any(fault.always for fault in case.faults) and case.faults:
            # One of the crowd meets the fault, and may be alone with it.
            case = dataclasses.replace(case, outcome="either")
        site = self._make_site(case, hashlib.sha256(f"{case.name}{watchers}".encode()).hexdigest()[:10])
        try:
            endings = self._push(case, site) if case.push else self._pull(case, site, watchers)
            problems = self._judge(case, site, endings, watchers)
            self._clear(endings)
        finally:
            site.close()
        return Verdict(case, watchers, problems, time.monotonic() - began)

    # ---- setting up -------------------------------------------------------------------------------------------------

    def _make_site(self, case: Case, canary: str) -> Site:
        options = dict(case.site)
        realm = options.pop("realm", "")
        for part in ("registry", "token", "storage"):
            if isinstance(options.get(part), dict):
                more = dict(options[part])
                if more.get("tls", "close") != "close":
                    more["tls"] = self.authority.contexts[more["tls"]]
                options[part] = more
            elif part in options:
                del options[part]
        site = Site(self.server, canary, faults=case.faults, **options)
        if realm:
            site.realm = {"nowhere": "http://nowhere.invalid/token",
                          "closed": f"http://127.0.0.1:{site.closed_port}/token"}[realm]
        if case.push:
            site.uploads.mounts = case.mounts
        return site

    def _make_image(self, site: Site, case: Case, layer: Layer, content: Content | None, repository: str) -> Image:
        image = image_maker.make_image([layer], HOST_PLATFORM, labels={"repository": repository, "case": case.name})
        site.add(image, repository, contents={layer.digest: content} if content else None)
        return image

    def _make_layer(self, seed: str, size: int) -> tuple[Layer, Content | None]:
        if size >= LARGE_LAYER // 4:
            return make_big_layer(seed, size)
        return image_maker.make_layer({"file": random.Random(seed).randbytes(size)}), None

    # ---- playing ----------------------------------------------------------------------------------------------------

    def _pull(self, case: Case, site: Site, watchers: int) -> list[Ending]:
        layer, content = self._make_layer(f"{case.name}-{watchers}", case.layer_bytes)
        # Half of the crowds pull one image, the other half images of their own that share the layer.
        is_same = len(case.name) % 2 == 0
        repositories = ["stage/app"] * watchers if is_same else [f"stage/app{number}" for number in range(watchers)]
        images = {name: self._make_image(site, case, layer, content, name) for name in dict.fromkeys(repositories)}
        host = {"": site.host, "closed": f"127.0.0.1:{site.closed_port}", "nowhere": "nowhere.invalid:5000"}[
            case.reference]
        with concurrent.futures.ThreadPoolExecutor(watchers) as pool:
            return list(pool.map(lambda name: self._pull_one(f"{host}/{name}:latest", images[name], site),
                                 repositories))

    def _pull_one(self, name: str, image: Image, site: Site) -> Ending:
        return self._call(name, image, lambda: self.daemon.api.pull(name, auth=site.auth))

    def _push(self, case: Case, site: Site) -> list[Ending]:
        api = self.daemon.api
        name = f"{site.host}/stage/target:latest"
        if case.mounts:
            layer, content = self._make_layer(case.name, case.layer_bytes)
            image = self._make_image(site, case, layer, content, "stage/source")
            api.pull_well(f"{site.host}/stage/source:latest", auth=site.auth)
            source = f"{site.host}/stage/source:latest"
        else:
            image = self._seed(case.layer_bytes)
            source = f"seed:{case.layer_bytes}"
        repository, tag = name.rsplit(":", 1)
        tagged = api.post(f"/images/{source}/tag", {"repo": repository, "tag": tag})
        assert tagged.status == 201, tagged.body
        headers = {"X-Registry-Auth": encode_auth(site.auth)}
        ending = self._call(name, image, lambda: api.post(f"/images/{repository}/push", {"tag": tag}, headers))
        if case.mounts:
            api.delete(f"/images/{source}")
        return [ending]

    def prepare_seed(self, size: int) -> None:
        """An image in the daemon that any push case can tag; not for several threads."""
        layer, content = self._make_layer(f"seed-{size}", size)
        site = Site(self.server, "seed", auth=None)
        try:
            image = image_maker.make_image([layer], HOST_PLATFORM, labels={"seed": str(size)})
            name = site.add(image, "seed", contents={layer.digest: content} if content else None)
            self.daemon.api.pull_well(name)
            assert self.daemon.api.post(f"/images/{name}/tag", {"repo": "seed", "tag": str(size)}).status == 201
        finally:
            site.close()
        self._seeds[size] = image

    def _seed(self, size: int) -> Image:
        return self._seeds[size]

    def _call(self, name: str, image: Image, call) -> Ending:
        began = time.monotonic()
        try:
            answer, failure = call(), ""
        except (OSError, http.client.HTTPException) as error:
            answer, failure = None, f"the daemon does not answer: {error!r}"
        return Ending(name, image, answer, failure, time.monotonic() - began)

    def _clear(self, endings: list[Ending]) -> None:
        for name in {ending.name for ending in endings}:
            self.daemon.api.request("DELETE", f"/images/{name}", {"force": "1"})

    # ---- judging ----------------------------------------------------------------------------------------------------

    def _judge(self, case: Case, site: Site, endings: list[Ending], watchers: int) -> list[str]:
        problems = [problem for ending in endings for problem in self._judge_ending(case, site, ending)]
        if not case.push and all(ending.error is not None for ending in endings):
            problems += [f"{name} is visible though its pull failed" for name in {ending.name for ending in endings}
                         if self.daemon.api.get(f"/images/{name}/json").status != 404]
        problems += site.leaks()
        problems += self._judge_tries(case, site, endings, watchers)
        problems += _judge_waits(site, watchers)
        if case.untouched and site.origins[case.untouched].log:
            problems.append(f"{case.untouched} was asked: {site.origins[case.untouched].log}")
        is_ok = all(ending.error is None for ending in endings)
        if case.repeated_bytes is not None and is_ok:
            layer = endings[0].image.layers[0]
            repeated = site.coverage(layer.digest).repeated
            if repeated > case.repeated_bytes:
                problems.append(f"{repeated} of {layer.size} bytes of the layer went out again: "
                                f"{site.requests('layer')[:6]}")
        if case.resent_bytes is not None and is_ok:
            resent = site.uploads.bytes_in - sum(blob.size for blob in endings[0].image.blobs)
            if resent > case.resent_bytes:
                problems.append(f"{resent} bytes were sent again: {site.requests('post', 'patch', 'put', 'status')}")
        if case.faults and not any(request.fault for request in site.requests()):
            problems = ["the fault was never met: " + " ".join(map(repr, site.requests()[-4:]))]
        return list(dict.fromkeys(problems))

    def _judge_ending(self, case: Case, site: Site, ending: Ending) -> list[str]:
        problems = []
        if ending.answer is None:
            return [ending.failure]
        error = ending.error
        text = ending.answer.body.decode(errors="replace")
        if "canary" in text:
            problems.append(f"a secret is told to the client: {text[-300:]}")
        limit = case.seconds * self.slack
        if ending.seconds > limit:
            problems.append(f"took {ending.seconds:.1f} s, {limit:.0f} are allowed")
        if error is None:
            if case.outcome == "error":
                problems.append(f"succeeded, has to fail with /{case.cause}/")
            problems += self._judge_success(case, site, ending)
        else:
            if case.outcome == "ok":
                problems.append(f"has to succeed, says: {error[:300]}")
            elif not re.search(case.cause, error, re.IGNORECASE):
                problems.append(f"the error does not name its cause /{case.cause}/: {error[:300]}")
        return problems

    def _judge_success(self, case: Case, site: Site, ending: Ending) -> list[str]:
        if case.push:
            return _judge_pushed(site, ending)
        answer = self.daemon.api.get(f"/images/{ending.name}/json")
        if answer.status != 200 or answer.json()["Id"] != ending.image.digest:
            return [f"the image is not there: {answer.status} {answer.body[:100]!r}"]
        return [f"{blob.digest} is stored wrongly" for blob in (ending.image.manifest, *ending.image.blobs)
                if not self._is_stored(blob)]

    def _is_stored(self, blob: Blob) -> bool:
        algorithm, _, hex_digits = blob.digest.partition(":")
        path = self.daemon.data_root / "blobs" / algorithm / hex_digits
        if not path.exists() or path.stat().st_size != blob.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest() == hex_digits

    def _judge_tries(self, case: Case, site: Site, endings: list[Ending], watchers: int) -> list[str]:
        if not case.faults:
            return []
        fault = case.faults[-1]
        met: dict[str, int] = {}
        for request in site.requests():
            if request.fault == fault.kind:
                key = site._resource(request)  # pylint: disable=protected-access
                met[key] = met.get(key, 0) + 1
        least, most = case.tries
        # A crowd that meets a fault that does not go away meets it once for each of its clients at most.
        most *= watchers if fault.always else 1
        # What ends first ends its neighbours: only one of them need have been tried to the end.
        if not met or least <= max(met.values()) <= most:
            return []
        return [f"{max(met.values())} requests met the fault, {least} to {most} may: "
                f"{site.requests(fault.endpoint)[:3]}"]


def _judge_pushed(site: Site, ending: Ending) -> list[str]:
    manifest = site.manifests.get(("stage/target", "latest"))
    if manifest is None or manifest.digest != ending.image.digest:
        return ["the registry does not have the manifest"]
    return [f"the registry does not have {blob.digest}" for blob in ending.image.blobs
            if not site.has_blob("stage/target", blob.digest)]


def _judge_waits(site: Site, watchers: int) -> list[str]:
    """Nobody asks a host again before it wants to be asked; of several clients some may be asking already."""
    problems = []
    for name, origin in site.origins.items():
        log = list(origin.log)
        for limit in (request for request in log if request.retry_after):
            until = limit.replied + limit.retry_after - GRACE
            for request in log:
                # The blobs of a push start their uploads at one path.
                is_same = watchers == 1 and request.path == limit.path and request.endpoint not in ("post", "mount")
                since = limit.replied + (0 if is_same else IN_FLIGHT_SECONDS)
                if since < request.came < until:
                    problems.append(f"{name} wanted {limit.retry_after:.1f} s of rest and was asked after "
                                    f"{request.came - limit.replied:.2f} s: {request}")
                    break
    return problems

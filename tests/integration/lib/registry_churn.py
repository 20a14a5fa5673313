# SPDX-License-Identifier: Apache-2.0
"""Pushes and deletes without an end in sight, from several clients at once, and the account of what has to be there.

Half of the clients have a repository each, the other half share one. The Docker face loads, pulls, removes and prunes
images meanwhile that have the layers, and some of the manifests, which are pushed and deleted beside it."""
from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import threading
from collections.abc import Callable, Iterable

from image_maker import MEDIA_TYPES, Artifact, Blob, all_manifests, image_from_blobs, make_index, to_json
from lib.api import Api
from lib.engine_archives import load_well, oci_archive, save
from lib.registry_content import make_oci_image
from lib.registry_http import OCTETS, Answer, RegistryHttp, blob_at, manifest_at, uploads, with_digest
from lib.wait import wait_until

LAYER = MEDIA_TYPES["oci"]["gzip"]
CONFIG = MEDIA_TYPES["oci"]["config"]
# The layers of the first images are in whatever is pushed, those of the others come and go with them.
CONTESTED = [make_oci_image(f"contested {number}") for number in range(6)]
SHARED = [layer for image in CONTESTED[:4] for layer in image.layers]
LOOSE = [blob for image in CONTESTED for blob in image.blobs if blob not in SHARED]
TAGS = 24
ATTEMPTS = 20


@dataclasses.dataclass
class Account:
    """Of one repository, or of the tags there that begin with `label`: what was acknowledged, and not deleted since."""

    repository: str
    label: str = ""
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    manifests: dict[str, Artifact] = dataclasses.field(default_factory=dict)
    deleted: set[str] = dataclasses.field(default_factory=set)
    pushes: int = 0
    deletes: int = 0
    repeated: int = 0  # manifests that came when their blobs had gone

    def forget(self, digest: str) -> None:
        self.deleted.add(digest)
        del self.manifests[digest]
        self.tags = {tag: target for tag, target in self.tags.items() if target != digest}


class Client:
    """Pushes to a repository of its own, and mounts from those of the others. With a label it shares the repository."""

    def __init__(self, http: RegistryHttp, name: str, others: Iterable[str], label: str = ""):
        self.account = Account(name, label)
        self._http = http
        self._others = list(others)
        self._random = random.Random(name + label)

    def run(self, pushes: int) -> None:
        for number in range(pushes):
            self.run_one(number)

    def run_one(self, number: int) -> None:
        self._push(self._make(number))
        if self._random.random() < 0.5:
            self._delete()

    def _make(self, number: int) -> Artifact:
        images = [each for each in self.account.manifests.values() if each.blobs]
        name = f"{self.account.repository} {self.account.label}{number}"
        if number % 16 == 15 and len(images) > 1:
            return make_index(self._random.sample(images, 2), image_format="oci", annotations={"number": name})
        own = Blob.of(self._random.randbytes(self._random.randrange(1, 4096)), LAYER)
        config = Blob.of(to_json({"architecture": "amd64", "os": "linux", "name": name,
                                  "rootfs": {"type": "layers", "diff_ids": []}}), CONFIG)
        return image_from_blobs([config, own, *self._random.sample(SHARED, 2)], image_format="oci")

    def _push(self, artifact: Artifact) -> None:
        """Again from the beginning when something had gone meanwhile, as clients do it."""
        tag = f"{self.account.label}t{self._random.randrange(TAGS)}"
        for _ in range(ATTEMPTS):
            for blob in artifact.blobs:
                self._push_blob(blob)
            answer = self._http.put_manifest(self.account.repository, tag, artifact.manifest)
            if answer.status == 201:
                self.account.pushes += 1
                self.account.tags[tag] = artifact.digest
                self.account.manifests[artifact.digest] = artifact
                self.account.deleted.discard(artifact.digest)
                return
            answer.expect(400)
            assert set(answer.codes) == {"MANIFEST_BLOB_UNKNOWN"}, answer.body
            self.account.repeated += 1
        raise AssertionError(f"{artifact.digest} cannot be pushed to {self.account.repository}")

    def _push_blob(self, blob: Blob) -> None:
        repository = self.account.repository
        if self._http.head(blob_at(repository, blob.digest)).status == 200:
            return
        way = self._random.randrange(4)
        if way == 0:
            source = self._random.choice(self._others)
            self._finish(self._http.post(f"{uploads(repository)}?mount={blob.digest}&from={source}"), blob)
        elif way == 1:
            self._finish(self._http.post(with_digest(uploads(repository), blob.digest), blob.read(),
                                         {"Content-Type": OCTETS}), blob)
        elif way == 2:
            location = self._http.patch(self._http.start_upload(repository), blob.read()).expect(202).location
            self._http.commit(location, blob.digest).expect(201)
        else:
            self._http.delete(self._http.start_upload(repository)).expect(204)
            self._http.push_blob(repository, blob)

    def _finish(self, answer: Answer, blob: Blob) -> None:
        """It is there, or a session was opened for it."""
        if answer.status != 201:
            self._http.commit(answer.expect(202).location, blob.digest, blob.read()).expect(201)

    def _delete(self) -> None:
        account = self.account
        if self._random.random() < 0.3 and account.tags:
            tag = self._random.choice(sorted(account.tags))
            self._http.delete(manifest_at(account.repository, tag)).expect(202)
            del account.tags[tag]
            account.deletes += 1
            return
        needed = {child.digest for each in account.manifests.values() for child in each.manifests}
        free = sorted(account.manifests.keys() - needed)
        if free:
            digest = self._random.choice(free)
            self._http.delete(manifest_at(account.repository, digest)).expect(202)
            account.forget(digest)
            account.deletes += 1


class Rival(Client):
    """Pushes what others delete, and deletes what others push, in one repository."""

    def run(self, pushes: int) -> None:
        for number in range(pushes):
            self.run_one(number)
            self._contend()

    def _contend(self) -> None:
        repository = self.account.repository
        number = self._random.randrange(len(CONTESTED))
        image = CONTESTED[number]
        if self._random.random() < 0.5:
            for blob in image.blobs:
                self._push_blob(blob)
            answer = self._http.put_manifest(repository, f"both-{number}", image.manifest)
            assert answer.status == 201 or set(answer.expect(400).codes) == {"MANIFEST_BLOB_UNKNOWN"}, answer.body
            self.account.repeated += answer.status == 400
        else:
            assert self._http.delete(manifest_at(repository, image.digest)).status in (202, 404)
        answer = self._http.delete(blob_at(repository, self._random.choice([*SHARED, *LOOSE]).digest))
        assert answer.status in (202, 404) or answer.expect(405).codes == ["DENIED"]


def find_contested(http: RegistryHttp, repository: str) -> Account:
    """Nobody knows who was last; what is there has to be there as a whole."""
    account = Account(repository, "both-")
    for number, image in enumerate(CONTESTED):
        if http.head(manifest_at(repository, image.digest)).status == 200:
            account.manifests[image.digest] = image
        if http.head(manifest_at(repository, f"both-{number}")).status == 200:
            account.tags[f"both-{number}"] = image.digest
    return account


class DockerFace:
    """Has images of the same content, one way after the other; each is whole as long as it is wanted."""

    NAME = "faces/shared:1"
    REPOSITORY = "faces/shared"

    def __init__(self, api: Api, host: str):
        self._api = api
        self._host = host
        self._http = RegistryHttp(host)

    def run_one(self, number: int) -> None:
        image = CONTESTED[-1 - number // 3 % len(CONTESTED)]
        if number % 3 == 2:
            name = self._pull(image)
        else:
            name = self.NAME
            load_well(self._api, oci_archive(image, name))
        self._check(name, image)
        if number % 3 == 1:
            self.prune("false")
            assert self._api.get(f"/images/{name}/json").status == 404
        else:
            assert self._api.delete(f"/images/{name}").status == 200

    def load_and_prune(self, number: int) -> None:
        """Without a name: gone with the next prune, while others are loaded and pulled."""
        load_well(self._api, oci_archive(CONTESTED[-1 - number % len(CONTESTED)], None))
        self.prune("true")

    def prune(self, dangling: str) -> None:
        """There is one prune at a time, and the next is refused."""
        query = {"filters": json.dumps({"dangling": [dangling]})}

        def is_done() -> bool:
            answer = self._api.post("/images/prune", query)
            assert answer.status in (200, 409), answer.body
            return answer.status == 200

        wait_until(is_done, "the other prune ends")

    def _pull(self, image: Artifact) -> str:
        """From the registry, where it is deleted then."""
        self._http.push(self.REPOSITORY, image, "1")
        name = f"{self._host}/{self.REPOSITORY}:1"
        self._api.pull_well(name)
        self._http.delete(manifest_at(self.REPOSITORY, image.digest)).expect(202)
        return name

    def _check(self, name: str, image: Artifact) -> None:
        assert {blob.digest for blob in image.blobs} <= save(self._api, name).digests


class Crowd:
    """Threads, and what failed in them."""

    def __init__(self) -> None:
        self._failures: list[BaseException] = []
        self._over = threading.Event()
        self._workers: list[threading.Thread] = []
        self._endless: list[threading.Thread] = []

    def add(self, client: Client, share: int) -> None:
        self._workers.append(threading.Thread(target=self._guard, args=(lambda: client.run(share),)))

    def add_endless(self, step: Callable[[int], None]) -> None:
        """Until the others are done, and a few times at least."""

        def run() -> None:
            number = 0
            while number < 6 or not self._over.is_set():
                step(number)
                number += 1

        self._endless.append(threading.Thread(target=self._guard, args=(run,)))

    def run(self) -> None:
        for thread in (*self._workers, *self._endless):
            thread.start()
        for thread in self._workers:
            thread.join()
        self._over.set()
        for thread in self._endless:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # pylint: disable=broad-except
            self._failures.append(failure)
            self._over.set()


def churn(host: str, pushes: int, clients: int, api: Api, prefix: str = "churn") -> list[Account]:
    """Pushes in all, shared by so many clients at once; no image is left."""
    rivals = clients // 2
    names = [f"{prefix}/client{number}" for number in range(clients - rivals)]
    contested = f"{prefix}/contested"
    others = [*names, contested]
    workers = [*(Client(RegistryHttp(host), name, others) for name in names),
               *(Rival(RegistryHttp(host), contested, others, f"r{number}-") for number in range(rivals))]
    crowd, face = Crowd(), DockerFace(api, host)
    for number, worker in enumerate(workers):
        crowd.add(worker, pushes // clients + (number < pushes % clients))
    crowd.add_endless(face.run_one)
    crowd.add_endless(face.load_and_prune)
    crowd.run()
    face.prune("false")
    assert api.get("/images/json", {"all": "1"}).json() == []
    with RegistryHttp(host) as http:
        return [*(worker.account for worker in workers), find_contested(http, contested)]


def verify(http: RegistryHttp, account: Account) -> int:
    """AssertionError unless all that was acknowledged is there, whole, and all that was deleted is gone. Bytes read."""
    total = 0
    listed = http.get(f"/v2/{account.repository}/tags/list").expect(200).json()["tags"]
    assert [tag for tag in listed if tag.startswith(account.label)] == sorted(account.tags), account.repository
    for tag, digest in account.tags.items():
        assert http.get_manifest(account.repository, tag).expect(200).headers["Docker-Content-Digest"] == digest
    for digest, artifact in account.manifests.items():
        answer = http.get_manifest(account.repository, digest).expect(200)
        assert answer.body == artifact.manifest.read()
        for blob in artifact.blobs:
            body = http.get(blob_at(account.repository, blob.digest)).expect(200).body
            assert "sha256:" + hashlib.sha256(body).hexdigest() == blob.digest
            total += len(body)
    for digest in account.deleted:
        http.head(manifest_at(account.repository, digest)).expect(404)
    return total


def list_needed(accounts: Iterable[Account]) -> set[str]:
    """Every digest that something acknowledged needs; nothing else may stay."""
    needed = set()
    for account in accounts:
        for artifact in account.manifests.values():
            for each in all_manifests(artifact):
                needed.add(each.digest)
                needed.update(blob.digest for blob in each.blobs)
    return needed


def describe(accounts: Iterable[Account]) -> str:
    accounts = list(accounts)
    return json.dumps({"pushes": sum(each.pushes for each in accounts), "deletes": sum(each.deletes for each in accounts),
                       "repeated": sum(each.repeated for each in accounts),
                       "manifests": sum(len(each.manifests) for each in accounts),
                       "tags": sum(len(each.tags) for each in accounts)})

# SPDX-License-Identifier: Apache-2.0
"""Pushes and deletes without an end in sight, from several clients at once, and the account of what has to be there."""
from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import threading
from collections.abc import Iterable

from image_maker import MEDIA_TYPES, Artifact, Blob, all_manifests, image_from_blobs, make_index, to_json
from lib.registry_http import OCTETS, Answer, RegistryHttp, blob_at, manifest_at, uploads, with_digest

LAYER = MEDIA_TYPES["oci"]["gzip"]
CONFIG = MEDIA_TYPES["oci"]["config"]
SHARED = [Blob.of(random.Random(f"shared {number}").randbytes(4096), LAYER) for number in range(8)]
TAGS = 24
ATTEMPTS = 5


@dataclasses.dataclass
class Account:
    """Of one repository: what was acknowledged, and not deleted since."""

    repository: str
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    manifests: dict[str, Artifact] = dataclasses.field(default_factory=dict)
    deleted: set[str] = dataclasses.field(default_factory=set)
    pushes: int = 0
    deletes: int = 0
    repeated: int = 0  # pushes whose blobs had gone before their manifest came

    def forget(self, digest: str) -> None:
        self.deleted.add(digest)
        del self.manifests[digest]
        self.tags = {tag: target for tag, target in self.tags.items() if target != digest}


class Client:
    """Pushes to a repository of its own, and mounts from those of the others."""

    def __init__(self, http: RegistryHttp, name: str, others: Iterable[str]):
        self.account = Account(name)
        self._http = http
        self._others = list(others)
        self._random = random.Random(name)

    def run(self, pushes: int) -> None:
        for number in range(pushes):
            self._push(self._make(number))
            if self._random.random() < 0.5:
                self._delete()

    def _make(self, number: int) -> Artifact:
        images = [each for each in self.account.manifests.values() if each.blobs]
        if number % 16 == 15 and len(images) > 1:
            return make_index(self._random.sample(images, 2), image_format="oci", annotations={"number": str(number)})
        own = Blob.of(self._random.randbytes(self._random.randrange(1, 4096)), LAYER)
        config = Blob.of(to_json({"architecture": "amd64", "os": "linux", "name": f"{self.account.repository} {number}",
                                  "rootfs": {"type": "layers", "diff_ids": []}}), CONFIG)
        return image_from_blobs([config, own, *self._random.sample(SHARED, 2)], image_format="oci")

    def _push(self, artifact: Artifact) -> None:
        """Again from the beginning when something had gone meanwhile, as clients do it."""
        tag = f"t{self._random.randrange(TAGS)}"
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


def churn(host: str, pushes: int, clients: int, prefix: str = "churn") -> list[Account]:
    """Pushes in all, shared by so many clients at once."""
    names = [f"{prefix}/client{number}" for number in range(clients)]
    failures: list[BaseException] = []
    workers = [Client(RegistryHttp(host), name, names) for name in names]

    def run(client: Client, share: int) -> None:
        try:
            client.run(share)
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    shares = [pushes // clients + (number < pushes % clients) for number in range(clients)]
    threads = [threading.Thread(target=run, args=each) for each in zip(workers, shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [client.account for client in workers]


def verify(http: RegistryHttp, account: Account) -> int:
    """AssertionError unless all that was acknowledged is there, whole, and all that was deleted is gone. Bytes read."""
    total = 0
    listed = http.get(f"/v2/{account.repository}/tags/list").expect(200).json()["tags"]
    assert listed == sorted(account.tags), account.repository
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

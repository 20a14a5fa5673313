# SPDX-License-Identifier: Apache-2.0
"""Docker's image manifests version 2, schema 1, signed and unsigned, and whatever can be wrong with them.

    image = make_schema1([base, None, top], signatures=2)    # None: an entry without a layer
    registry.add(image, "team/app", "1")                     # as any image of image_maker
    image.digest                                             # of the payload; image.manifest.data is the signed body

No living program makes these; the signatures verify.
"""
from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from image_maker import CREATED, Blob, Layer, sha256

SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
UNSIGNED = "application/vnd.docker.distribution.manifest.v1+json"
# What docker had for the layer of an entry that has none: a tar of 1024 zeros.
EMPTY_LAYER = Blob.of(bytes.fromhex("1f8b080000096e8800ff621805a360148c5800080000ffff2eafb5ef00040000"))


@dataclasses.dataclass(frozen=True)
class Schema1Image:
    """Stands wherever image_maker's images do. The digest of `manifest` is that of the payload."""

    manifest: Blob
    payload: bytes = dataclasses.field(repr=False)
    blobs: tuple[Blob, ...]
    diff_ids: tuple[str, ...]  # of the entries that have a layer, base first
    manifests: tuple = ()

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def document(self) -> dict:
        return json.loads(self.payload)

    @property
    def layers(self) -> tuple[str, ...]:
        """Digests of the entries that have a layer, base first."""
        rows = list(zip(self.document["fsLayers"], self.document["history"]))
        return tuple(layer["blobSum"] for layer, entry in reversed(rows)
                     if not json.loads(entry["v1Compatibility"]).get("throwaway"))


def image_id(number: int, seed: object = "") -> str:
    return hashlib.sha256(f"schema1-{seed}-{number}".encode()).hexdigest()


def make_chain(layers: Sequence[Layer | None], *, seed: object = "", created: str = CREATED,
               docker_version: str = "1.9.1", architecture: str = "amd64", labels: Mapping[str, str] | None = None,
               env: Sequence[str] = ("PATH=/usr/bin:/bin",), cmd: Sequence[str] = ("/bin/sh",),
               **more: object) -> list[dict]:
    """The v1Compatibility of each, base first: `more` adds to the newest, whose config is the image's."""
    chain: list[dict] = []
    for number, layer in enumerate(layers):
        command = ["/bin/sh", "-c", layer.created_by if layer else f"#(nop) CMD {json.dumps(list(cmd))}"]
        entry: dict = {"id": image_id(number, seed), "created": created, "container_config": {"Cmd": command}}
        if number:
            entry["parent"] = chain[-1]["id"]
        if layer is None:
            entry["throwaway"] = True
        chain.append(entry)
    if chain:
        chain[-1].update(architecture=architecture, os="linux", author="schema1", docker_version=docker_version,
                         config={"Env": list(env), "Cmd": list(cmd), "Labels": dict(labels or {})}, **more)
    return chain


def make_document(chain: Sequence[Mapping], layers: Sequence[Layer | None], *, name: str = "team/app",
                  tag: str = "latest", architecture: str = "amd64") -> dict:
    """The manifest as an object: its rows begin with the newest."""
    blobs = [layer.digest if layer else EMPTY_LAYER.digest for layer in layers]
    return {
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": architecture,
        "fsLayers": [{"blobSum": digest} for digest in reversed(blobs)],
        "history": [{"v1Compatibility": json.dumps(entry, separators=(",", ":"))} for entry in reversed(chain)],
    }


def make_schema1(layers: Sequence[Layer | None], *, signatures: int = 1, name: str = "team/app", tag: str = "latest",
                 architecture: str = "amd64", chain: Sequence[Mapping] | None = None,
                 edit: Callable[[dict], object] | None = None,
                 protected: Sequence[Mapping[str, object]] = (), media_type: str | None = None,
                 **newest: object) -> Schema1Image:
    """Of layers, base first. signatures=0: unsigned. `newest` is for make_chain, unless a `chain` is given. `edit`
    changes the document before it is signed; `protected` has for each signature members that replace the right ones."""
    if chain is None:
        chain = make_chain(layers, architecture=architecture, **newest)
    document = make_document(chain, layers, name=name, tag=tag, architecture=architecture)
    if edit is not None:
        edit(document)
    payload = make_payload(document)
    body = sign(payload, signatures, protected) if signatures else payload
    kind = media_type or (SIGNED if signatures else UNSIGNED)
    blobs = {blob.digest: blob for blob in [layer.blob if layer else EMPTY_LAYER for layer in layers]}
    return Schema1Image(Blob(sha256(payload), len(body), kind, body), payload, tuple(blobs.values()),
                        tuple(layer.diff_id for layer in layers if layer))


def make_payload(document: Mapping) -> bytes:
    return json.dumps(document, indent=3).encode()


# ---- signatures -----------------------------------------------------------------------------------------------------

# The curve P-256. Keys 1 and -1, and 1 as the number that ought to be secret, need no arithmetic on it.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_X = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
_Y = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
_PUBLIC_KEY_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")


def encode(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sign(payload: bytes, count: int = 1, protected: Sequence[Mapping[str, object]] = ()) -> bytes:
    """The payload with its signatures inside, before its last brace; at most two keys take turns."""
    tail = b"\n}"
    assert payload.endswith(tail)
    head = payload[:-len(tail)]
    rows = []
    for number in range(count):
        claims = {"formatLength": len(head), "formatTail": encode(tail), "time": CREATED,
                  **(protected[number] if number < len(protected) else {})}
        rows.append(_signature(payload, json.dumps(claims).encode(), number % 2))
    return head + b",\n   \"signatures\": " + json.dumps(rows).encode() + tail


def with_signatures(payload: bytes, signatures: object) -> bytes:
    """The payload with whatever instead of its signatures."""
    return payload[:-2] + b",\n   \"signatures\": " + json.dumps(signatures).encode() + b"\n}"


def _signature(payload: bytes, claims: bytes, key: int) -> dict:
    signed = f"{encode(claims)}.{encode(payload)}".encode()
    z = int.from_bytes(hashlib.sha256(signed).digest(), "big")
    r = _X % _N
    s = (z + (r if key == 0 else -r)) % _N
    return {"header": {"jwk": _public_key(key), "alg": "ES256"},
            "signature": encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")), "protected": encode(claims)}


def _public_key(key: int) -> dict:
    x, y = _X.to_bytes(32, "big"), (_Y if key == 0 else _P - _Y).to_bytes(32, "big")
    name = base64.b32encode(hashlib.sha256(_PUBLIC_KEY_HEAD + b"\x04" + x + y).digest()[:30]).decode()
    grouped = ":".join(name[at:at + 4] for at in range(0, len(name), 4))
    return {"crv": "P-256", "kid": grouped, "kty": "EC", "x": encode(x), "y": encode(y)}

# SPDX-License-Identifier: Apache-2.0
"""Answers with everything taken out that has to differ between two engines, and what differs then.

An image has the digest of its config as ID with one engine and that of its manifest with the other: at places where an
ID stands, both become `<id NAME>`. Everywhere else digests stay apart by what they are of. Sizes (unpacked or packed),
times and the ways in which transfers go on are reduced to their presence.
"""
from __future__ import annotations

import io
import json
import re
import tarfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from lib.api import Answer

ID_KEYS = {"Id", "ID", "id", "Deleted", "Untagged", "message", "stream", "name", "error", "ParentId", "Parent"}
SIZE_KEYS = {"Size", "VirtualSize", "LayersSize", "SpaceReclaimed", "SharedSize"}
TIME_KEYS = {"time", "timeNano", "LastTagTime", "SystemTime"}
TRANSIENT = {"Downloading", "Extracting", "Waiting", "Verifying Checksum", "Download complete", "Pulling fs layer",
             "Preparing", "Pushing", "Loading layer", "Importing"}
# One request makes several, by the order of a map, of ports, or of a registry's list of tags.
UNORDERED_EVENTS = {"pull", "save", "untag"}
RECENT_SECONDS = 600
PING_HEADERS = ("Api-Version", "Builder-Version", "Cache-Control", "Docker-Experimental", "Ostype", "Pragma", "Server",
                "Swarm")
DIGEST = re.compile(r"(sha256:)?\b([0-9a-f]{64})\b")
WHOLE = re.compile(r"sha256:<[^>]+>")
SHORT = re.compile(r"\b[0-9a-f]{12}\b")


class Names:
    """What a digest is called in normalised answers, of one engine."""

    def __init__(self) -> None:
        self._whole: dict[str, str] = {}
        self._short: dict[str, str] = {}

    def add(self, digest: str, name: str, short: str | None = None) -> None:
        """The first name stays; `short` is what the first 12 digits are called."""
        digits = digest.removeprefix("sha256:")
        self._whole.setdefault(digits, name)
        self._short.setdefault(digits[:12], short or name)

    def replace(self, text: str) -> str:
        text = DIGEST.sub(lambda match: f"{match[1] or ''}<{self._whole.get(match[2], 'digest')}>", text)
        return SHORT.sub(lambda match: f"<{self._short.get(match[0], 'short')}>", text)


def as_id(text: str) -> str:
    return re.sub(r"<(?:config|manifest) ([^>]+)>", r"<id \1>", text)


def normalise(answer: Answer, kind: str, names: Names, scrub: Mapping[str, str]) -> dict:
    """`scrub` are further texts of this engine and what stands for them."""
    seen: dict[str, Any] = {"status": answer.status, "type": answer.headers.get("Content-Type")}
    if kind == "ping":
        seen["headers"] = sorted(name for name in PING_HEADERS if name in answer.headers)
    body = answer.body.decode("utf-8", "replace") if kind != "tar" or answer.status != 200 else ""
    for text, name in scrub.items():
        body = body.replace(text, name)
    seen["body"] = _normalise_body(answer, body, kind, names)
    return seen


def _normalise_body(answer: Answer, body: str, kind: str, names: Names) -> Any:
    if kind == "tar" and answer.status == 200:
        return _summarise_archive(answer.body)
    if kind in ("stream", "events") and answer.status == 200:
        records = [json.loads(line) for line in body.splitlines() if line]
        return (_summarise_stream if kind == "stream" else _summarise_events)(records, names)
    try:
        value = json.loads(body)
    except ValueError:
        return names.replace(body)
    return _shape(value) if kind == "shape" else _normalise_json(value, names)


def _normalise_json(value: Any, names: Names, key: str = "") -> Any:
    if isinstance(value, dict):
        return {names.replace(inner): _normalise_json(item, names, inner) for inner, item in value.items()}
    if isinstance(value, list):
        items = [_normalise_json(item, names, key) for item in value]
        # Images of the same second have no order, and names go by the ports of their registries.
        if _are_images(items):
            return sorted(items, key=lambda item: json.dumps(item["RepoTags"]))
        return _sort_removals(items) if _are_removals(items) else items
    if key in TIME_KEYS and value:
        return "<time>"
    if key == "Created" and _is_recent(value):
        return "<now>"
    if key in SIZE_KEYS and isinstance(value, int) and value > 0:
        return "<size>"
    if isinstance(value, str):
        text = names.replace(value)
        is_id = key in ID_KEYS or key == "status" and WHOLE.fullmatch(text)  # an import says the ID alone
        return as_id(text) if is_id else text
    return value


def _is_recent(created: Any) -> bool:
    """Of an image that an import has just made."""
    if isinstance(created, str) and created:
        created = datetime.fromisoformat(created[:19] + "+00:00").timestamp()
    return isinstance(created, (int, float)) and created > time.time() - RECENT_SECONDS


def _are_images(items: list) -> bool:
    return bool(items) and all(isinstance(item, dict) and "RepoTags" in item for item in items)


def _are_removals(items: list) -> bool:
    return bool(items) and all(isinstance(item, dict) and item.keys() <= {"Untagged", "Deleted"} for item in items)


def _sort_removals(items: list[dict]) -> list[dict]:
    """By image, which is its names and then what is deleted of it; only the names within and the images are sorted."""
    images: list[list[dict]] = []
    for item in items:
        if not images or "Untagged" in item and "Deleted" in images[-1][-1]:
            images.append([])
        images[-1].append(item)
    in_order = [[*sorted((item for item in image if "Untagged" in item), key=json.dumps),
                 *(item for item in image if "Deleted" in item)] for image in images]
    return [item for image in sorted(in_order, key=json.dumps) for item in image]


def _shape(value: Any) -> Any:
    """Keys and kinds of values; lists are lists whatever they hold."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    return None if value is None else type(value).__name__


def _summarise_stream(records: list[dict], names: Names) -> dict:
    """Messages in their order, and how each layer ended."""
    messages, layers, aux = [], {}, []
    for record in records:
        if "aux" in record:
            aux.append(_normalise_json(record["aux"], names))
        elif "progressDetail" in record and "id" in record:
            if record["status"] not in TRANSIENT:
                layers[names.replace(record["id"])] = record["status"]
        elif record.get("status") not in TRANSIENT and record:
            fields = {key: value for key, value in record.items() if key in ("status", "id", "stream", "error")}
            messages.append(_normalise_json(fields, names))
    return {"messages": messages, "layers": layers, "aux": aux}


def _summarise_events(records: list[dict], names: Names) -> dict:
    """The fields that they have, and a line for each."""
    events = [_normalise_json(record, names) for record in records]
    lines = [" ".join([event["Action"], event["Actor"]["ID"], *(f"{key}={value}" for key, value in
                                                               sorted(event["Actor"]["Attributes"].items()))])
             for event in events]
    if all(event["Action"] in UNORDERED_EVENTS for event in events):
        lines.sort()
    return {"fields": sorted({key for event in events for key in event}), "events": lines}


def _summarise_archive(data: bytes) -> dict:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = set(tar.getnames())
        items = json.load(tar.extractfile("manifest.json")) if "manifest.json" in found else None
    summary = {name: name in found for name in ("manifest.json", "repositories", "index.json", "oci-layout")}
    if items is not None:
        described = [{"RepoTags": item["RepoTags"], "Layers": len(item["Layers"])} for item in items]
        summary["items"] = sorted(described, key=json.dumps)
    return summary


def compare(theirs: Any, ours: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where the two differ, as dotted paths; a list of another length differs as a whole."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted(theirs.keys() | ours.keys()):
            yield from compare(theirs.get(key, "<absent>"), ours.get(key, "<absent>"), f"{path}.{key}" if path else key)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (left, right) in enumerate(zip(theirs, ours)):
            yield from compare(left, right, f"{path}.{index}")
    elif theirs != ours:
        yield path, theirs, ours

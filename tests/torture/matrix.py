# SPDX-License-Identifier: Apache-2.0
"""THE TABLE: what each fault does to a pull or a push.

A case is a name, what is wrong, and how it has to end:
- ok, error, or either where only the cleanness of the end is settled: in each of them nothing unverified is kept,
  no secret leaves its origin, and an error names its cause;
- tries: how many requests may meet the fault (temporary faults at least 6 times, final ones once);
- seconds: at the latest, with a stall timeout of 0.3 s and a first backoff of 0.01 s.
"""
from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator, Mapping

from faults import POSITIONS, Fault

PULL_ENDPOINTS = ("first", "token", "manifest", "config", "layer")
PUSH_ENDPOINTS = ("post", "patch", "put", "put-manifest", "mount")
ATTEMPTS = 6
SMALL_LAYER = 20_000
LARGE_LAYER = 36 << 20  # is fetched by ranges
PATCHED_LAYER = 40 << 20  # is pushed in chunks
CHUNK = 16 << 20

# What an error has to speak of (case-insensitive).
EOF_TEXT = r"eof|closed|short read|reset|broken|incomplete|truncated"
STALL_TEXT = r"timeout|timed out|no data|stall|deadline"
WRONG_TEXT = r"verification failed|digest|larger than|size|short read|bytes"
CHUNK_TEXT = r"chunk|" + EOF_TEXT
REDIRECT_TEXT = r"redirect"
DNS_TEXT = r"no such host|resolve|lookup|name or service"
REFUSED_TEXT = r"refused"
TLS_TEXT = r"certificate|x509|tls|ssl|handshake"
DENIED_TEXT = r"denied|403|forbidden"
MISSING_TEXT = r"not found|unknown|404|does not exist"
AUTH_TEXT = r"unauthori[sz]ed|authori[sz]ation|authentication|denied|401"
BUSY_TEXT = r"429|too ?many|rate"
LOCATION_TEXT = r"location|url|refus|header"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    faults: tuple[Fault, ...]
    outcome: str  # ok, error, either
    cause: str = ""
    tries: tuple[int, int] = (0, 1_000_000)
    seconds: float = 8
    final: bool = False  # fails within a second of the fault
    site: Mapping[str, object] = dataclasses.field(default_factory=dict)
    layer_bytes: int = SMALL_LAYER
    repeated_bytes: int | None = None  # of the layer, at most; None: not looked at
    resent_bytes: int | None = None  # of the layer's upload, at most
    reference: str = ""  # instead of the site's name: closed, nowhere
    push: bool = False
    mounts: bool = False
    untouched: str = ""  # an origin that must not see a request
    alone: bool = False  # not with several clients, each of which may meet a fault that lasts a minute

    def __post_init__(self) -> None:
        assert self.outcome in ("ok", "error", "either"), self.name

    @property
    def endpoint(self) -> str:
        return self.faults[-1].endpoint if self.faults else ""

    @property
    def is_slow(self) -> bool:
        return self.seconds > 30


def _once(name: str, fault: Fault, **more: object) -> Case:
    return Case(**{"name": f"{name}-once", "faults": (fault,), "outcome": "ok", "tries": (1, 1), **more})


def _for_ever(name: str, fault: Fault, cause: str, **more: object) -> Case:
    """A temporary fault that does not go away. Of a tag, HEAD and GET both meet it; of a blob, one try more than the
    attempts can make progress."""
    most = 2 * ATTEMPTS if fault.endpoint == "first" else ATTEMPTS + 2
    return Case(**{"name": f"{name}-always", "faults": (dataclasses.replace(fault, always=True),), "outcome": "error",
                   "cause": cause, "tries": (ATTEMPTS, most), "seconds": 15, **more})


def _temporary(name: str, fault: Fault, cause: str, **more: object) -> Iterator[Case]:
    yield _once(name, fault, **more)
    yield _for_ever(name, fault, cause, **more)


def _final(name: str, fault: Fault, cause: str, **more: object) -> Case:
    most = 2 if fault.endpoint == "first" else 1
    return Case(**{"name": name, "faults": (dataclasses.replace(fault, always=True),), "outcome": "error",
                   "cause": cause, "tries": (1, most), "seconds": 1, "final": True, **more})


def _site_for(endpoint: str) -> dict[str, object]:
    """A body of a tag is only there when it is not asked for by HEAD."""
    return {"site": {"heads": False}} if endpoint == "first" else {}


# ---- pulls ----------------------------------------------------------------------------------------------------------

def _body_faults() -> Iterator[Case]:
    for endpoint in PULL_ENDPOINTS:
        more = _site_for(endpoint)
        if endpoint == "layer":
            more["repeated_bytes"] = 0
        for position in POSITIONS:
            for kind, cause in (("cut", EOF_TEXT), ("rst", EOF_TEXT), ("stall", STALL_TEXT)):
                yield from _temporary(f"{kind}-{endpoint}-{position}", Fault(kind, endpoint, position), cause, **more)
            yield from _bad_chunk(endpoint, position)
            yield from _drip(endpoint, position)
            yield from _wrong_content(endpoint, position)


def _bad_chunk(endpoint: str, position: str) -> Iterator[Case]:
    yield from _temporary(f"bad-chunk-{endpoint}-{position}", Fault("bad-chunk", endpoint, position), CHUNK_TEXT,
                          **_site_for(endpoint))


def _drip(endpoint: str, position: str) -> Iterator[Case]:
    """No pause is as long as the stall timeout, and still nothing gets anywhere; one byte is always waited for."""
    fault = Fault("drip", endpoint, position)
    more = {**_site_for(endpoint), "seconds": 25}
    yield _once(f"drip-{endpoint}-{position}", fault, **more)
    if position == "last":
        yield Case(f"drip-{endpoint}-{position}-always", (dataclasses.replace(fault, always=True),), "ok", **more)
    else:
        yield _for_ever(f"drip-{endpoint}-{position}", fault, STALL_TEXT + r"|slow|progress", **more)


def _wrong_content(endpoint: str, position: str) -> Iterator[Case]:
    """Whole as HTTP, wrong as content: one clean retry, then a clear error. A token has no digest: what is wrong with
    it shows when it is read or used."""
    more = _site_for(endpoint)
    is_token = endpoint == "token"
    for kind in ("short", "extra", "corrupt", "no-length-cut"):
        fault = Fault(kind, endpoint, position)
        name = f"{kind}-{endpoint}-{position}"
        cause = "verification failed" if kind == "corrupt" else WRONG_TEXT
        # What is too short may be taken for a cut, and resumed.
        most = 2 if kind == "corrupt" else ATTEMPTS + 2
        if is_token:
            outcome = "ok" if kind in ("short", "no-length-cut") else "either"
            yield _once(name, fault, outcome=outcome, cause="token|" + AUTH_TEXT)
            yield _for_ever(name, fault, "token|" + AUTH_TEXT, tries=(1, ATTEMPTS + 2),
                            outcome="error" if kind in ("short", "no-length-cut") else "either")
        else:
            yield _once(name, fault, **more)
            yield _for_ever(name, fault, cause, tries=(2, most), **more)


def _head_faults() -> Iterator[Case]:
    for endpoint in PULL_ENDPOINTS:
        for position in POSITIONS:
            for kind, cause in (("head-fin", EOF_TEXT), ("head-rst", EOF_TEXT), ("head-stall", STALL_TEXT)):
                yield from _temporary(f"{kind}-{endpoint}-{position}", Fault(kind, endpoint, position), cause)
        fault = Fault("rst-after", endpoint, always=True)
        yield Case(f"rst-after-{endpoint}-always", (fault,), "ok")


def _statuses() -> Iterator[Case]:
    for endpoint in PULL_ENDPOINTS:
        for status in (500, 502, 503, 504, 408):
            yield from _temporary(f"{status}-{endpoint}", Fault("status", endpoint, value=status), str(status))
        yield _final(f"403-{endpoint}", Fault("status", endpoint, value=403), DENIED_TEXT)
        # A GET after a HEAD finds what is there; a token server without GET may know POST.
        has_other_way = endpoint in ("first", "token")
        yield _final(f"404-{endpoint}", Fault("status", endpoint, value=404), MISSING_TEXT,
                     tries=(1, 2 if has_other_way else 1))
        yield _once(f"404-{endpoint}", Fault("status", endpoint, value=404), cause=MISSING_TEXT,
                    outcome="either" if has_other_way else "error")
        yield from _limits(endpoint)


def _limits(endpoint: str) -> Iterator[Case]:
    for value, seconds in (("1", 10), ("date1", 12), ("-5", 10), ("soon", 10), ("1000000000", 80)):
        yield _once(f"429-{value}-{endpoint}", Fault("retry-after", endpoint, value=value), seconds=seconds,
                    alone=seconds > 60)
    yield _for_ever(f"429-1-{endpoint}", Fault("retry-after", endpoint, value="1"), BUSY_TEXT, seconds=25)


def _tokens() -> Iterator[Case]:
    for endpoint in ("first", "manifest", "config", "layer"):
        yield _once(f"token-expires-{endpoint}", Fault("expire-token", endpoint))
        # A token may be a little ahead of the registry's clock, so a fresh one is not given up at once.
        yield _final(f"401-loop-{endpoint}", Fault("refuse-token", endpoint), AUTH_TEXT, tries=(1, 8), seconds=2)
    yield _final("401-token", Fault("status", "token", value=401), AUTH_TEXT, tries=(1, 2))
    for position in POSITIONS:
        yield _once(f"signed-url-expires-{position}", Fault("cut-and-expire", "layer", position),
                    site={"via_storage": True}, repeated_bytes=0)


def _lengths() -> Iterator[Case]:
    for endpoint in PULL_ENDPOINTS:
        more = _site_for(endpoint)
        for kind in ("no-length", "chunked"):
            yield Case(f"{kind}-{endpoint}", (Fault(kind, endpoint, always=True),), "ok", **more)
        yield Case(f"two-lengths-same-{endpoint}", (Fault("two-lengths", endpoint, always=True, value="same"),), "ok",
                   **more)
        for kind in ("long-length", "two-lengths"):
            yield _once(f"{kind}-{endpoint}", Fault(kind, endpoint), **more)
            yield Case(f"{kind}-{endpoint}-always", (Fault(kind, endpoint, always=True),), "either",
                       WRONG_TEXT + "|token|length|" + EOF_TEXT, (1, 2 * ATTEMPTS), 15, **more)


def _types() -> Iterator[Case]:
    for endpoint in ("first", "manifest"):
        for value in ("text/html", "application/json", "application/octet-stream", "text/plain; charset=utf-8", ""):
            name = value.partition(";")[0].replace("/", "-") or "none"
            yield Case(f"type-{name}-{endpoint}", (Fault("type", endpoint, always=True, value=value),), "ok")
    for endpoint in ("token", "config", "layer"):
        yield Case(f"type-text-html-{endpoint}", (Fault("type", endpoint, always=True, value="text/html"),), "ok")
    for endpoint in PULL_ENDPOINTS:
        more = _site_for(endpoint)
        outcome = "either" if endpoint == "token" else "ok"
        text = WRONG_TEXT + "|token|encoding"
        yield _once(f"gzip-{endpoint}", Fault("gzip", endpoint), outcome=outcome, cause=text, **more)
        yield Case(f"gzip-{endpoint}-always", (Fault("gzip", endpoint, always=True),), "either", text,
                   (1, 2 * ATTEMPTS), 15, **more)
    yield Case("digest-header-first", (Fault("digest-header", "first", always=True),), "error",
               MISSING_TEXT + "|verification")
    yield Case("digest-header-manifest", (Fault("digest-header", "manifest", always=True),), "error", "verification")


def _redirects() -> Iterator[Case]:
    for endpoint in PULL_ENDPOINTS:
        hops = (1, 12 if endpoint == "first" else 7)
        yield _final(f"redirect-loop-{endpoint}", Fault("redirect", endpoint, value="loop"), REDIRECT_TEXT, tries=hops)
        yield _final(f"redirect-chain-20-{endpoint}", Fault("redirect", endpoint, value="chain 20"), REDIRECT_TEXT,
                     tries=hops)
        yield Case(f"redirect-chain-3-{endpoint}", (Fault("redirect", endpoint, always=True, value="chain 3"),), "ok")
        away = Fault("redirect", endpoint, always=True, value="away")
        if endpoint == "token":  # what is there has no tokens
            yield Case("redirect-away-token", (away,), "error", MISSING_TEXT + "|" + REDIRECT_TEXT)
        else:
            yield Case(f"redirect-away-{endpoint}", (away,), "ok")
        secure = {"token": {"tls": "self-signed"}} if endpoint == "token" else {
            "registry": {"tls": "self-signed"}, "auth": None}
        yield _final(f"redirect-down-{endpoint}", Fault("redirect", endpoint, value="down"), "redirect|refus",
                     site=secure, untouched="elsewhere")
        yield Case(f"redirect-nowhere-{endpoint}", (Fault("redirect", endpoint, always=True, value="nowhere"),),
                   "error", DNS_TEXT + "|refus", (1, 2 * ATTEMPTS))
        yield Case(f"redirect-closed-{endpoint}", (Fault("redirect", endpoint, always=True, value="closed"),),
                   "error", REFUSED_TEXT, (1, 2 * ATTEMPTS), 15)


def _ranges() -> Iterator[Case]:
    """A cut, and then a registry that does not know ranges well."""
    for position in POSITIONS:
        cut = Fault("cut", "layer", position)
        for kind, value in (("no-range", ""), ("wrong-range", "shifted"), ("wrong-range", "total"),
                            ("wrong-range", "none"), ("no-such-range", "")):
            name = "-".join(filter(None, (kind, value, position)))
            for always in (False, True):
                sure = kind == "no-range" or not always
                yield Case(f"{name}-{'always' if always else 'once'}", (cut, Fault(kind, "layer", always=always,
                                                                                  value=value)),
                           "ok" if sure else "either", WRONG_TEXT + "|range", seconds=15)


def _large_layers() -> Iterator[Case]:
    large = {"layer_bytes": LARGE_LAYER, "seconds": 30}
    for position in POSITIONS:
        for kind in ("cut", "rst", "stall"):
            yield _once(f"large-{kind}-{position}", Fault(kind, "layer", position), **large,
                        repeated_bytes=LARGE_LAYER // 50)
        yield _once(f"large-corrupt-{position}", Fault("corrupt", "layer", position), **large)
        yield _once(f"large-stored-cut-{position}", Fault("cut-and-expire", "layer", position), **large,
                    site={"via_storage": True}, repeated_bytes=LARGE_LAYER // 50)
    yield Case("large-plain", (), "ok", **large, repeated_bytes=0)
    yield Case("large-no-ranges", (), "ok", site={"ranges": False}, repeated_bytes=LARGE_LAYER // 50, **large)
    yield _once("large-503", Fault("status", "layer", value=503), **large, repeated_bytes=LARGE_LAYER // 50)
    yield Case("large-ignores-ranges", (Fault("no-range", "layer", always=True),), "ok", **large)
    yield Case("large-wrong-ranges", (Fault("wrong-range", "layer", always=True, value="shifted"),), "either",
               WRONG_TEXT + "|range", **large)
    yield Case("large-corrupt-always", (Fault("corrupt", "layer", "middle", always=True),), "error",
               "verification failed", tries=(2, 2), **large)


def _unreachable() -> Iterator[Case]:
    yield Case("dns-registry", (), "error", DNS_TEXT, seconds=10, reference="nowhere")
    yield Case("refused-registry", (), "error", REFUSED_TEXT, seconds=10, reference="closed")
    yield Case("dns-token", (), "error", DNS_TEXT + "|refus", seconds=10, site={"realm": "nowhere"})
    yield Case("refused-token", (), "error", REFUSED_TEXT, seconds=15, site={"realm": "closed"})
    for kind in ("self-signed", "expired", "wrong-host"):
        for part in ("registry", "token", "storage"):
            yield Case(f"tls-{kind}-{part}", (), "error", "certificate|x509", seconds=1, final=True,
                       site={part: {"tls": kind, "name": "stage.localhost"}, "via_storage": part == "storage"})
    for part in ("registry", "token", "storage"):
        yield Case(f"tls-close-{part}", (), "error", TLS_TEXT + "|" + EOF_TEXT, seconds=15,
                   site={part: {"tls": "close", "name": "stage.localhost"}, "via_storage": part == "storage"})


def pull_cases() -> list[Case]:
    return [*_body_faults(), *_head_faults(), *_statuses(), *_tokens(), *_lengths(), *_types(), *_redirects(),
            *_ranges(), *_large_layers(), *_unreachable()]


# ---- pushes ---------------------------------------------------------------------------------------------------------

def _push(case: Case) -> Case:
    return dataclasses.replace(case, name="push-" + case.name, push=True, mounts=case.endpoint == "mount",
                               layer_bytes=PATCHED_LAYER if case.endpoint == "patch" else SMALL_LAYER,
                               seconds=max(case.seconds, 30) if case.endpoint == "patch" else case.seconds)


def _may_fall_back(case: Case) -> Case:
    """Whatever a mount runs into, the blob can be uploaded; what chunks run into for ever, the whole need not."""
    fault = case.faults[-1]
    if fault.endpoint == "mount":
        # A refusal (4xx) leads to a plain upload; what is temporary is tried again, and may be the end.
        is_refused = fault.kind in ("refuse-token",) or (fault.kind == "status" and fault.value in (403, 404))
        outcome = "ok" if is_refused or not fault.always else "either"
        return dataclasses.replace(case, outcome=outcome, tries=(1, 4 * ATTEMPTS), final=False,
                                   seconds=max(15, case.seconds))
    if fault.endpoint == "patch" and fault.always and case.outcome == "error":
        return dataclasses.replace(case, outcome="either", tries=(1, 10 * ATTEMPTS), final=False,
                                   cause=case.cause + "|range")
    if fault.endpoint == "patch" and fault.kind.startswith("send-"):
        return dataclasses.replace(case, resent_bytes=CHUNK)
    if fault.endpoint == "put" and fault.kind.startswith("send-"):
        # What broke off is in the session: the next request to it may be told so.
        case = dataclasses.replace(case, cause=case.cause + "|upload invalid")
    if fault.endpoint == "post" and case.final:
        # Both blobs ask, and what no answer was may be asked for again.
        return dataclasses.replace(case, tries=(1, 2 * ATTEMPTS if fault.kind == "location" else 2 * case.tries[1]))
    if fault.always and case.outcome == "error" and not case.final:
        # A connection that ends before the first byte may have been an old one: the request goes out once more at
        # once. Two blobs start their uploads at one place.
        least, most = case.tries
        return dataclasses.replace(case, tries=(least, most * (4 if fault.endpoint == "post" else 2)))
    return case


def _send_faults() -> Iterator[Case]:
    for endpoint in PUSH_ENDPOINTS:
        has_body = endpoint not in ("post", "mount")
        for how, cause in (("fin", EOF_TEXT), ("rst", EOF_TEXT), ("stall", STALL_TEXT)):
            kind = f"send-{how}" if has_body else f"head-{how}"
            for position in POSITIONS:
                yield from _temporary(f"{kind}-{endpoint}-{position}", Fault(kind, endpoint, position), cause)
            if has_body:  # what was done, but not said
                yield _once(f"lost-answer-{how}-{endpoint}", Fault(f"head-{how}", endpoint))


def _push_statuses() -> Iterator[Case]:
    for endpoint in PUSH_ENDPOINTS:
        for status in (500, 502, 503, 504, 408):
            yield from _temporary(f"{status}-{endpoint}", Fault("status", endpoint, value=status), str(status))
        yield _once(f"429-1-{endpoint}", Fault("retry-after", endpoint, value="1"), seconds=10)
        yield _once(f"429-date-{endpoint}", Fault("retry-after", endpoint, value="date1"), seconds=12)
        yield _for_ever(f"429-1-{endpoint}", Fault("retry-after", endpoint, value="1"), BUSY_TEXT, seconds=25)
        yield _once(f"token-expires-{endpoint}", Fault("expire-token", endpoint))
        yield _final(f"401-loop-{endpoint}", Fault("refuse-token", endpoint), AUTH_TEXT, tries=(1, 8), seconds=2)
        yield _final(f"403-{endpoint}", Fault("status", endpoint, value=403), DENIED_TEXT)
        if endpoint in ("patch", "put"):  # the session is gone: a new one
            yield from _temporary(f"404-{endpoint}", Fault("status", endpoint, value=404), MISSING_TEXT,
                                  tries=(1, ATTEMPTS + 2))
        else:
            yield _final(f"404-{endpoint}", Fault("status", endpoint, value=404), MISSING_TEXT)
    yield _final("413-put", Fault("status", "put", value=413), "413|size|large")


def _locations() -> Iterator[Case]:
    for endpoint in ("post", "patch"):
        for value in ("internal", "none", "long", "userinfo"):
            yield _final(f"location-{value}-{endpoint}", Fault("location", endpoint, value=value), LOCATION_TEXT,
                         tries=(1, ATTEMPTS))
        for value in ("bare", "path"):
            yield Case(f"location-{value}-{endpoint}", (Fault("location", endpoint, always=True, value=value),), "ok")
        # Another origin gets the bytes without our credentials or not at all.
        yield Case(f"location-away-{endpoint}", (Fault("location", endpoint, always=True, value="away"),), "either",
                   LOCATION_TEXT, seconds=15)
        yield Case(f"location-closed-{endpoint}", (Fault("location", endpoint, always=True, value="closed"),), "error",
                   LOCATION_TEXT + "|refused", seconds=15)


def push_cases() -> list[Case]:
    return [_push(_may_fall_back(case)) for case in (*_send_faults(), *_push_statuses(), *_locations())]


def all_cases() -> list[Case]:
    cases = pull_cases() + push_cases()
    assert len({case.name for case in cases}) == len(cases), "names are unique"
    return cases


def quick_cases() -> list[Case]:
    """Each kind of fault somewhere, all endpoints and positions among them; what takes long is left out."""
    groups: dict[str, list[Case]] = {}
    for case in all_cases():
        fault = case.faults[-1] if case.faults else None
        if case.seconds > 20 and case.layer_bytes == SMALL_LAYER or case.name.startswith("large-stored"):
            continue
        key = f"{case.push} {fault.kind} {fault.always} {str(fault.value)[:1]}" if fault else case.name
        groups.setdefault(key, []).append(case)
    return [group[zlib.crc32(f"{key} {turn}".encode()) % len(group)]
            for key, group in groups.items() for turn in range(2 if len(group) > 12 else 1)]

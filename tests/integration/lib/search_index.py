# SPDX-License-Identifier: Apache-2.0
"""An index that answers the search of Hub's API v1."""
from __future__ import annotations

import http.server
import json
import threading
import urllib.parse


class SearchIndex:
    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []  # path with query, and headers
        # Of searches, instead of what is found.
        self.status = 200
        self.body: bytes | None = None
        self.redirect: str | None = None
        self._results: list[dict] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return "127.0.0.1:%d" % self._server.server_address[1]

    def add(self, name: str, stars: int = 0, is_official: bool = False, description: str = "") -> None:
        self._results.append({"name": name, "star_count": stars, "is_official": is_official, "is_automated": False,
                              "description": description})

    def find(self, term: str, limit: int) -> dict:
        hits = [result for result in self._results if term in result["name"]][:limit]
        return {"query": term, "num_results": len(hits), "num_pages": 1, "page": 1, "page_size": limit, "results": hits}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _make_handler(index: SearchIndex) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            index.requests.append((self.path, dict(self.headers.items())))
            url = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qs(url.query)
            if url.path == "/v1/_ping":
                self._answer(200, {"standalone": False})
            elif url.path == "/v1/search":
                self._search(query.get("q", [""])[0], int(query.get("n", ["25"])[0]))
            else:
                self._answer(404, {})

        def _search(self, term: str, limit: int) -> None:
            if index.redirect:
                return self._answer(302, {}, index.redirect)
            self._answer(index.status, index.find(term, limit) if index.body is None else index.body)

        def _answer(self, status: int, body: dict | bytes, location: str | None = None) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler

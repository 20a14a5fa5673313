# SPDX-License-Identifier: Apache-2.0
"""Stands before a real registry, passes on what it answers, and notes each request with the bytes that went out for it.

Its answers can be replaced as those of FaultRegistry, cut and stalled ones too.
"""
from __future__ import annotations

import http.client

from lib.docker_registry import RegistryServer
from lib.fault_registry import FaultRegistry, Request

# Of one connection, or made anew here.
NOT_PASSED_ON = {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding"}


class RegistryFront(FaultRegistry):
    """For clients that read; bodies of requests are not passed on."""

    def __init__(self, registry: RegistryServer) -> None:
        super().__init__()
        self._target = registry.host

    def name_of(self, name: str) -> str:
        """Of something in the registry, by way of this."""
        return name.replace(self._target, self.host, 1)

    def _right_answer(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._target, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in NOT_PASSED_ON}
            # Of HEAD the body stays here: its length is what the head says.
            connection.request("GET" if request.method == "HEAD" else request.method, request.path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name: value for name, value in answer.getheaders()
                                   if name.lower() not in NOT_PASSED_ON}, answer.read()
        finally:
            connection.close()

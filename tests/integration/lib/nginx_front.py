# SPDX-License-Identifier: Apache-2.0
"""nginx before a registry, as many run theirs: a request reaches the registry once all of it has come."""
from __future__ import annotations

from pathlib import Path

from lib.process import Process, find_free_port, find_program

CONFIG = """
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log off;
  client_body_temp_path {work}/bodies;
  proxy_temp_path {work}/proxied;
  fastcgi_temp_path {work}/fastcgi;
  uwsgi_temp_path {work}/uwsgi;
  scgi_temp_path {work}/scgi;
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 0;
    location / {{
      proxy_pass http://127.0.0.1:{target};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_request_buffering on;
    }}
  }}
}}
"""


class NginxFront:
    """Listens on 127.0.0.1:port for the registry at `target_port`."""

    def __init__(self, folder: Path, target_port: int):
        folder.mkdir(parents=True)
        for _ in range(20):
            self.port = find_free_port()
            config = folder / "nginx.conf"
            config.write_text(CONFIG.format(work=folder, port=self.port, target=target_port))
            self._process = Process([find_program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c",
                                     str(config), "-g", "daemon off; master_process off;"], folder / "nginx.log")
            if self._process.wait_for_port(self.port):
                return
        raise RuntimeError(f"nginx does not start:\n{self._process.log_text()}")

    def stop(self) -> None:
        self._process.kill()

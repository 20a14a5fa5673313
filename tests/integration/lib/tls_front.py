# SPDX-License-Identifier: Apache-2.0
"""nginx as the TLS side of a registry, with certificates that openssl makes."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lib.process import Process, find_free_port, find_program
from lib.wait import wait_until


class CertificateAuthority:
    def __init__(self, folder: Path, name: str = "tests"):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = folder / "ca.key"
        self.certificate = folder / "ca.crt"
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                 "basicConstraints=critical,CA:TRUE", "-keyout", str(self._key), "-out", str(self.certificate))

    def issue(self, name: str, alternative: str, expired: bool = False) -> tuple[Path, Path]:
        """`alternative` is the subject's other name, "IP:127.0.0.1" say. Certificate and key."""
        key, request, certificate, extensions = (self._folder / f"{name}.{end}" for end in ("key", "csr", "cert", "ext"))
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", str(key), "-out",
                 str(request))
        extensions.write_text(f"subjectAltName={alternative}\n")
        # A certificate of the past takes the one command of openssl that is told both dates.
        if expired:
            self._issue_expired(request, certificate, extensions)
        else:
            _openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key),
                     "-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", str(certificate))
        return certificate, key

    def _issue_expired(self, request: Path, certificate: Path, extensions: Path) -> None:
        folder = self._folder
        (folder / "index.txt").write_text("")
        (folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=one\n[one]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
        _openssl("ca", "-batch", "-notext", "-config", str(folder / "ca.cnf"), "-cert", str(self.certificate), "-keyfile",
                 str(self._key), "-in", str(request), "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
                 "-extfile", str(extensions), "-out", str(certificate))


def _openssl(*arguments: str) -> None:
    subprocess.run([find_program("openssl"), *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class TlsFront:
    """https at `host` in front of http at `backend` ("address:port")."""

    def __init__(self, folder: Path, address: str, backend: str, certificate: Path, key: Path,
                 directives: Sequence[str] = ()):
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "access.log"
        for _ in range(20):
            self.port = find_free_port(address)
            self.host = f"{address}:{self.port}"
            config = folder / "nginx.conf"
            config.write_text(_configuration(folder, self.host, backend, certificate, key, directives))
            self._process = Process([find_program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c",
                                     str(config)], folder / "nginx.log")
            if self._process.wait_for_port(self.port, address):
                return
        raise RuntimeError(f"nginx does not start:\n{self._process.log_text()}")

    @property
    def requests(self) -> list[dict]:
        """Each with uri, authorization, client (the subject that it showed) and protocol, as nginx logged them."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def wait_request(self, text: str) -> dict:
        """The first whose URI holds the text: nginx logs after it has answered."""
        return wait_until(lambda: next((each for each in self.requests if text in each["uri"]), None),
                          f"nginx logs {text}")

    def stop(self) -> None:
        self._process.kill()


def _configuration(folder: Path, host: str, backend: str, certificate: Path, key: Path,
                   directives: Sequence[str]) -> str:
    temporary = "\n".join(f"  {kind}_temp_path {folder}/{kind};"
                          for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    more = "\n".join(f"    {each};" for each in directives)
    return f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
{temporary}
  log_format seen escape=json
    '{{"uri":"$request_uri","authorization":"$http_authorization","client":"$ssl_client_s_dn","protocol":"$ssl_protocol"}}';
  access_log {folder}/access.log seen;
  client_max_body_size 0;
  server {{
    listen {host} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
{more}
    location / {{
      proxy_pass http://{backend};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto https;
    }}
  }}
}}
"""

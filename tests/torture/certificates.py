# SPDX-License-Identifier: Apache-2.0
"""A private certificate authority and what it signs, well and badly, made by openssl."""
from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
KINDS = ("good", "expired", "wrong-host", "self-signed")


class Authority:
    """One folder: ca.crt and a pair of KIND.crt and KIND.key for each kind, for `name` and 127.0.0.1."""

    def __init__(self, folder: Path, name: str = "*.localhost"):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._openssl("req", "-x509", *KEY, "-days", "30", "-subj", "/CN=torture CA", "-keyout", "ca.key", "-out",
                      "ca.crt")
        names = f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"
        self._sign("good", names, ["-days", "2"])
        self._sign("wrong-host", "subjectAltName=DNS:elsewhere.example", ["-days", "2"])
        self._sign_expired(names)
        self._openssl("req", "-x509", *KEY, "-days", "2", "-subj", "/CN=localhost", "-addext", names, "-keyout",
                      "self-signed.key", "-out", "self-signed.crt")
        self.contexts = {kind: self._context(kind) for kind in KINDS}

    @property
    def ca(self) -> Path:
        return self._folder / "ca.crt"

    def _request(self, kind: str) -> None:
        self._openssl("req", "-new", *KEY, "-subj", "/CN=localhost", "-keyout", f"{kind}.key", "-out", f"{kind}.csr")

    def _sign(self, kind: str, names: str, validity: list[str]) -> None:
        self._request(kind)
        (self._folder / f"{kind}.ext").write_text(names + "\n")
        self._openssl("x509", "-req", "-in", f"{kind}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-extfile", f"{kind}.ext", "-out", f"{kind}.crt", *validity)

    def _sign_expired(self, names: str) -> None:
        """`openssl x509` of Debian 12 takes no end in the past; `openssl ca` does."""
        self._request("expired")
        (self._folder / "index.txt").write_text("")
        (self._folder / "serial").write_text("1000\n")
        (self._folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=own\n[own]\ndir=.\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
            "certificate=ca.crt\nprivate_key=ca.key\ndefault_md=sha256\npolicy=any\nx509_extensions=names\n"
            f"[any]\ncommonName=supplied\n[names]\n{names}\n")
        self._openssl("ca", "-batch", "-notext", "-config", "ca.conf", "-startdate", "20200101000000Z", "-enddate",
                      "20200102000000Z", "-in", "expired.csr", "-out", "expired.crt")

    def _context(self, kind: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / f"{kind}.crt", self._folder / f"{kind}.key")
        return context

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self._folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")

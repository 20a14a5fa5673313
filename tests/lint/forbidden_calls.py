# SPDX-License-Identifier: Apache-2.0
"""Parts of Pistache 0.0.5 that hang, abort or answer the wrong client, and must not come back into the code.

The event loop, the peers, the request line parser and the handler interface are sound; its way of writing
responses, of reading bodies and of listening is not. Usage: forbidden_calls.py [root] [--self-test]"""

import re
import sys

import source_tree

# Wherever api/ names them.
EVERYWHERE = [
    (r"\bsendMethodNotAllowed\b", "ResponseWriter::sendMethodNotAllowed writes to the client"),
    (r"\btimeoutAfter\b", "ResponseWriter::timeoutAfter writes into the response"),
    (r"\bserveFile\b", "serveFile leaks descriptors and spins on a slow client"),
    (r"\basyncWrite\b", "Transport::asyncWrite writes to whoever has the descriptor now"),
    (r"\bHttp::ResponseStream\b", "Pistache's ResponseStream aborts the process"),
    (r"\bHttp::Endpoint\b|\bTcp::Listener\b", "Pistache's listener and its connections are not safe"),
    (r"\bCreateSSL\b|\buseSSL\b", "Pistache's TLS blocks the accepting thread"),
    (r"\busing\s+namespace\s+Pistache\b", "would hide what this check looks for"),
]
# In files that see Pistache's headers, where a short name may be Pistache's.
NEAR_PISTACHE = [
    (r"(?:\.|->)\s*send\s*\(", "Peer::send and ResponseWriter::send write to whoever has the descriptor now"),
    (r"(?:\.|->)\s*stream\s*\(", "ResponseWriter::stream aborts the process"),
    (r"\bflush\s*\(", "Transport::flush races with its own queue"),
    (r"(?<!:)\bResponseStream\b", "Pistache's ResponseStream aborts the process"),
    (r"\bputOnWire\b|\bsendImpl\b", "ResponseWriter writes to whoever has the descriptor now"),
]
# A parser that is fed body bytes can loop for ever: one place feeds it, request lines only.
PARSER_FILES = ("api/http/io_transport.hpp", "api/http/io_transport.cpp")
PARSER = (r"\bRequestParser\b", "RequestParser is for request lines, in io_transport only")
BRIDGE = "api/http/io_transport.hpp"


def sees_pistache(path):
    return any(name.startswith("pistache/") or name == BRIDGE for _, name in source_tree.includes(path))


def check_includes(root):
    for path in source_tree.sources(root, source_tree.PRODUCT_FOLDERS + ("tests",)):
        relative = path.relative_to(root).as_posix()
        if relative.startswith("api/http/"):
            continue
        for number, name in source_tree.includes(path):
            if name.startswith("pistache/") or name == BRIDGE:
                yield f"{relative}:{number}: Pistache stays inside api/http"


def check_calls(root):
    for path in source_tree.sources(root, ("api",)):
        relative = path.relative_to(root).as_posix()
        rules = EVERYWHERE + (NEAR_PISTACHE if sees_pistache(path) else [])
        rules += [] if relative in PARSER_FILES else [PARSER]
        for number, line in source_tree.code_lines(path):
            for pattern, reason in rules:
                if re.search(pattern, line):
                    yield f"{relative}:{number}: {reason}"


def check(root):
    yield from check_includes(root)
    yield from check_calls(root)


PISTACHE = "#include <pistache/http.h>\n"
SELF_TESTS = [
    ("good", {"api/http/io_transport.hpp": PISTACHE + "RequestParser parser;\n",
              "api/engine/a.cpp": "response.send(200);\nstream->flush();\n"}, []),
    ("comments and strings do not count", {"api/http/a.cpp": "// serveFile(x)\n/* asyncWrite */ f(\"timeoutAfter\");\n"}, []),
    ("serveFile", {"api/engine/a.cpp": "\n  serveFile(writer, name);\n"}, ["api/engine/a.cpp:2"]),
    ("behind a comment", {"api/engine/a.cpp": "/* one\n two */ writer.sendMethodNotAllowed({});\n"}, ["api/engine/a.cpp:2"]),
    ("timeoutAfter", {"api/http/a.cpp": "w.timeoutAfter(1);\n"}, ["api/http/a.cpp:1"]),
    ("asyncWrite", {"api/http/a.cpp": "transport->asyncWrite(fd, b);\n"}, ["api/http/a.cpp:1"]),
    ("send", {"api/http/a.cpp": PISTACHE + "peer->send(b);\n"}, ["api/http/a.cpp:2"]),
    ("send behind the bridge", {"api/http/a.cpp": '#include "api/http/io_transport.hpp"\nresponse . send(c);\n'}, ["api/http/a.cpp:2"]),
    ("stream", {"api/http/a.cpp": PISTACHE + "auto s = response.stream(c);\n"}, ["api/http/a.cpp:2"]),
    ("flush", {"api/http/a.cpp": PISTACHE + "Transport::flush();\n"}, ["api/http/a.cpp:2"]),
    ("flush of itself", {"api/http/a.cpp": PISTACHE + "if (done) flush();\n"}, ["api/http/a.cpp:2"]),
    ("a flush that is not Pistache's", {"api/http/connection.cpp": "flush();\n", "api/http/a.cpp": PISTACHE + "flush_all();\n"}, []),
    ("stream type", {"api/engine/a.cpp": "Pistache::Http::ResponseStream s;\n"}, ["api/engine/a.cpp:1"]),
    ("parser elsewhere", {"api/http/body.cpp": "Http::RequestParser p;\n"}, ["api/http/body.cpp:1"]),
    ("include outside", {"daemon/main.cpp": PISTACHE}, ["daemon/main.cpp:1"]),
    ("include outside, in the engine", {"api/engine/a.hpp": PISTACHE}, ["api/engine/a.hpp:1"]),
    ("include in a test", {"tests/unit/a.cpp": PISTACHE}, ["tests/unit/a.cpp:1"]),
    ("using namespace", {"api/http/a.cpp": "using namespace Pistache;\n"}, ["api/http/a.cpp:1"]),
]

if __name__ == "__main__":
    sys.exit(source_tree.run(check, SELF_TESTS))

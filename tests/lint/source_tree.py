# SPDX-License-Identifier: Apache-2.0
"""What the lint scripts share: finding sources, reading them without comments and strings, reporting."""

import os
import pathlib
import re
import sys
import tempfile

PRODUCT_FOLDERS = ("base", "oci", "imagestore", "distribution", "api", "daemon", "cli")

_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
_NOISE = re.compile(
    r'R"(?P<delimiter>[^(\s]*)\(.*?\)(?P=delimiter)"'  # raw string
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'"
    r"|//[^\n]*"
    r"|/\*.*?\*/",
    re.DOTALL,
)


def sources(root, folders=PRODUCT_FOLDERS):
    for folder in folders:
        for path in sorted((pathlib.Path(root) / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".h", ".cc"):
                yield path


def includes(path):
    """(line number, included name) of each include directive."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def code_lines(path):
    """(line number, text) without comments and literals; the numbers are the file's."""
    text = path.read_text(encoding="utf-8")
    text = _NOISE.sub(lambda match: " " + "\n" * match.group(0).count("\n"), text)
    return enumerate(text.splitlines(), 1)


def make_tree(root, files):
    for name, text in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def run(check, self_test_cases):
    """Exit code of a lint script: check(root) yields findings "file:line: text".

    Each self-test case is (name, files of a tree, the "file:line" that must be found)."""
    if "--self-test" in sys.argv[1:]:
        return _self_test(check, self_test_cases)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
    if not (root / "base").is_dir():
        print(f"{root} is not the project's root")
        return 2
    findings = list(check(root.resolve()))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def _self_test(check, cases):
    failed = 0
    for name, files, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            make_tree(root, files)
            found = [":".join(finding.split(":")[:2]) for finding in check(pathlib.Path(root))]
        if sorted(found) != sorted(expected):
            print(f"{name}: expected {expected}, found {found}")
            failed += 1
    print(f"{len(cases) - failed} of {len(cases)} self-tests passed")
    return 1 if failed or not cases else 0

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Checks what the design promises about the source tree: who may include and link whom, licence lines, header guards,
no paths of one machine, no marks of unfinished work, libraries that never print or exit.

usage: check_tree.py [ROOT]     prints one line a violation; exit code 1 when there is any
"""

import os
import re
import subprocess
import sys

# Folder -> what its files may include and link: folders of this project and families of external headers.
ALLOWED = {
    "graph": {"graph", "onnx", "json"},
    "layers": {"layers", "graph", "onnx", "json", "opencv", "onednn"},
    "plugin": {"plugin", "layers", "graph", "onnx", "json", "opencv"},
    "plugin/include": {"plugin", "opencv"},
    "converters": {"converters", "graph", "onnx", "json", "cli", "zlib"},
    "trainer": {"trainer", "graph", "onnx", "json", "torch", "cli", "zlib"},
    "trainer/opencv": {"trainer", "graph", "onnx", "json", "torch", "cli", "zlib", "opencv"},
    "samples": {"plugin", "opencv"},
    "benchmarks": {"benchmarks", "plugin", "graph", "onnx", "json", "opencv", "onednn", "zlib",
                   "benchmark", "trainer", "torch"},
    "tests": {"tests", "graph", "layers", "plugin", "converters", "trainer", "onnx", "json", "opencv", "onednn",
              "torch", "cli", "zlib", "gtest"},
}

# External header -> family. Everything else without a slash is the standard library.
FAMILIES = [
    (r"onnx/|google/protobuf/", "onnx"),
    (r"nlohmann/", "json"),
    (r"opencv2/", "opencv"),
    (r"oneapi/dnnl/|dnnl", "onednn"),
    (r"torch/|ATen/|c10/|caffe2/|cuda", "torch"),
    (r"CLI/", "cli"),
    (r"zlib\.h$", "zlib"),
    (r"gtest/|gmock/", "gtest"),
    (r"benchmark/benchmark\.h$", "benchmark"),
]
POSIX = re.compile(r"(sys/\w+|malloc|unistd|fcntl|dlfcn|signal|stdlib|spawn|pthread|sched|netdb|omp|\wmmintrin|cpuid)\.h$")

# Word in target_link_libraries -> family or folder.
LINKED = [
    (r"rdi_graph$", "graph"),
    (r"rdi_(layers|engine)", "layers"),
    (r"rdi$|rdi::rdi$", "plugin"),
    (r"rdi_(convert|converters)", "converters"),
    (r"rdi_(train|trainer|evaluate)", "trainer"),
    (r"onnx", "onnx"),
    (r"nlohmann", "json"),
    (r"opencv|OpenCV|\$\{OpenCV", "opencv"),
    (r"dnnl|DNNL|onednn|oneDNN", "onednn"),
    (r"torch|\$\{TORCH", "torch"),
    (r"CLI11", "cli"),
    (r"ZLIB", "zlib"),
    (r"GTest", "gtest"),
    (r"benchmark", "benchmark"),
]

SOURCE = re.compile(r"\.(cpp|hpp|h|py|sh|cmake|cmake\.in|gp)$|(^|/)CMakeLists\.txt$|^\.ci/run$")
TEXT = re.compile(r"\.(md|json|txt|in|yml|yaml|cfg)$|(^|/)\.clang-(format|tidy)$|(^|/)\.gitignore$")
SCRIPT = re.compile(r"\.(py|sh)$|^\.ci/run$")
# Put together from halves, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.~})*])/(?:" + "wo" + "rk|ho" + r"me|ro" + r"ot|Us" + r"ers)/\w")
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)
LINK = re.compile(r"target_link_libraries\s*\(([^)]*)\)")
GLOB = re.compile(r"file\s*\(\s*GLOB")
# Directory-wide commands that leak into every target.
DIRECTORY_WIDE = re.compile(r"^\s*(include_directories|link_libraries|link_directories|add_definitions)\s*\(", re.M)
PRINTS = re.compile(r"\bstd::(cout|cerr|clog)\b|(?<![\w:.])(?:std::)?(?:printf|fprintf|puts|exit|_exit|abort|quick_exit)"
                    r"\s*\(")
LIBRARIES = ("graph/", "layers/", "plugin/")
MAY_PRINT = {"graph/run_main.cpp"}  # the end of every program, linked into none of the libraries' own paths
LICENCE = "SPDX-License-Identifier: Apache-2.0"
COPYRIGHT = "SPDX-FileCopyrightText: the rdi authors"


def tracked_files(root):
    """Paths relative to root: what git tracks or would add, or every file where git does not know the folder."""
    git = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"],
                         capture_output=True, text=True)
    top = subprocess.run(["git", "-C", root, "rev-parse", "--show-toplevel"], capture_output=True, text=True)
    if git.returncode == 0 and os.path.realpath(top.stdout.strip()) == os.path.realpath(root):
        return sorted(p for p in set(git.stdout.splitlines()) if os.path.isfile(os.path.join(root, p)))
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f != ".git" and not f.startswith("build") and f != "__pycache__"]
        found += [os.path.relpath(os.path.join(folder, f), root) for f in files]
    return sorted(found)


def without_comments(text):
    """C++ text without comments and string literals, so that only code is judged."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
    return pattern.sub(lambda m: '""' if m.group().startswith('"') else " ", text)


def family_of_include(name, quoted):
    first = name.split("/")[0]
    if first == "rdi":
        return "plugin"
    if first in ALLOWED:
        return first
    for pattern, family in FAMILIES:
        if re.match(pattern, name):
            return family
    if quoted:
        return "unknown"  # quoted names are of this project and start at its root
    if POSIX.match(name) or ("/" not in name and "." not in name):
        return "standard"
    return "unknown"


def layer_of(path):
    if path.startswith("plugin/include/"):
        return "plugin/include"
    # OpenCV is optional for the trainer: what needs it stays in files that a build without it leaves out.
    if re.match(r"trainer/(\w+_opencv\.cpp|CMakeLists\.txt)$", path):
        return "trainer/opencv"
    return path.split("/")[0]


def check_includes(path, text, report):
    layer = layer_of(path)
    if layer not in ALLOWED:
        return
    for bracket, name in INCLUDE.findall(text):
        if layer == "samples" and bracket == '"' and "/" not in name:
            continue  # samples build alone, so they name their own headers without the project's root
        family = family_of_include(name, bracket == '"')
        if family == "unknown":
            report(path, f'includes "{name}", which belongs to no folder or library that check_tree.py knows')
        elif family != "standard" and family not in ALLOWED[layer]:
            report(path, f"{layer} must not include {family} ({name})")
        if layer == "samples" and name.split("/")[0] in ALLOWED:
            report(path, f"samples see only installed headers (<rdi/...>), not {name}")
        if layer == "plugin/include" and family == "plugin" and not name.startswith("rdi/"):
            report(path, f"installed headers include only installed headers (<rdi/...>), not {name}")


def check_links(path, text, report):
    layer = layer_of(path)
    if layer not in ALLOWED:
        return
    for arguments in LINK.findall(re.sub(r"#[^\n]*", "", text)):
        for word in arguments.split()[1:]:
            for pattern, family in LINKED:
                if re.match(pattern, word.split("BUILD_INTERFACE:")[-1].rstrip(">")):
                    if family not in ALLOWED[layer]:
                        report(path, f"{layer} must not link {family} ({word})")
                    break


def check_file(root, path, report):
    is_source, is_text = SOURCE.search(path), TEXT.search(path)
    if not is_source and not is_text:
        return
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            report(path, f"line {number} names a path of one machine: {line.strip()}")
        if UNFINISHED.search(line):
            report(path, f"line {number} is marked as unfinished: {line.strip()}")
    if not is_source:
        return

    head = "\n".join(text.splitlines()[:4])
    if LICENCE not in head:
        report(path, f"does not begin with '{LICENCE}'")
    is_cpp = path.endswith((".cpp", ".hpp", ".h"))
    if (is_cpp or SCRIPT.search(path)) and COPYRIGHT not in head:
        report(path, f"does not begin with '{COPYRIGHT}'")
    if path.endswith((".sh", "/run")) and not os.access(os.path.join(root, path), os.X_OK):
        report(path, "is not executable")

    if is_cpp:
        check_includes(path, text, report)
        code = without_comments(text)
        if path.endswith((".hpp", ".h")):
            directives = re.findall(r"^\s*#\s*(\w+[^\n]*)", code, re.MULTILINE)
            if not directives or directives[0].split() != ["pragma", "once"]:
                report(path, "#pragma once is not its first directive")
            if re.search(r"\busing\s+namespace\b", code):
                report(path, "a header must not say 'using namespace'")
        if path.startswith(LIBRARIES) and path not in MAY_PRINT:
            for match in PRINTS.finditer(code):
                report(path, f"a library must not print or end the program: {match.group().strip()}")
    if path.endswith(("CMakeLists.txt", ".cmake")):
        check_links(path, text, report)
        if GLOB.search(text):
            report(path, "file(GLOB) hides which files are built; list them")
        for name in DIRECTORY_WIDE.findall(text):
            report(path, f"{name}() reaches every target of the folder; use the target_ command")


def violations(root):
    found = []
    for path in tracked_files(root):
        check_file(root, path, lambda where, what: found.append(f"{where}: {what}"))
    return found


def main(arguments):
    if len(arguments) > 1:
        print(__doc__.strip().splitlines()[-1], file=sys.stderr)
        return 2
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..", "..")
    if not tracked_files(root):
        print(f"check_tree.py: no files below {root}", file=sys.stderr)
        return 1
    found = violations(root)
    for line in found:
        print(line)
    print(f"{len(found)} violation(s)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

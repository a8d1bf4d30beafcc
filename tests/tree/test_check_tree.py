#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Plants each kind of violation in a small tree and asks check_tree to find it, and nothing else."""

import os
import stat
import tempfile
import unittest

import check_tree

SPDX = "SPDX-License-Identifier: Apache-2.0\n{0} SPDX-FileCopyrightText: the rdi authors\n"
CPP = "// " + SPDX.format("//")
HEADER = CPP + "\n#pragma once\n"
CMAKE = "# SPDX-License-Identifier: Apache-2.0\n"
SCRIPT = "#!/usr/bin/env bash\n# " + SPDX.format("#")

CLEAN = {
    "graph/cost.cpp": CPP + '#include "graph/cost.hpp"\n#include <onnx/onnx_pb.h>\n#include <vector>\n',
    "graph/cost.hpp": HEADER,
    "layers/stage.cpp": CPP + '#include <opencv2/dnn.hpp>\n#include "graph/cost.hpp"\n'
                              '#include <oneapi/dnnl/dnnl.hpp>\n// printf("only a comment")\n',
    "trainer/read_opencv.cpp": CPP + '#include <opencv2/imgcodecs.hpp>\n#include "trainer/read.hpp"\n',
    "trainer/CMakeLists.txt": CMAKE + "target_link_libraries(rdi_trainer_base PRIVATE opencv_core)\n",
    "trainer/run.cpp": CPP + '#include <torch/torch.h>\n#include "graph/cost.hpp"\n#include <zlib.h>\n',
    "samples/look.cpp": CPP + "#include <opencv2/dnn.hpp>\n#include <rdi/rdi.hpp>\n#include \"own.hpp\"\n",
    "samples/run.sh": SCRIPT,
    "layers/CMakeLists.txt": CMAKE + "target_link_libraries(rdi_layers PUBLIC rdi_graph opencv_dnn dnnl)\n",
    "README.md": "Data lies in ../shared/data.\n",
}


class CheckTree(unittest.TestCase):
    def found(self, extra):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **extra}.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as stream:
                    stream.write(text)
                if path == "samples/run.sh":
                    os.chmod(full, os.stat(full).st_mode | stat.S_IXUSR)
            return check_tree.violations(root)

    def assert_only(self, path, text, expected):
        found = self.found({path: text})
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(path + ": "), found)
        self.assertIn(expected, found[0])

    def test_a_clean_tree_has_no_violation(self):
        self.assertEqual(self.found({}), [])

    def test_forbidden_includes_are_found(self):
        for path, header in [
            ("graph/a.cpp", "<opencv2/core.hpp>"),
            ("graph/a.cpp", '"layers/stage.hpp"'),
            ("layers/a.cpp", '"converters/convert.hpp"'),
            ("layers/a.cpp", "<torch/torch.h>"),
            ("plugin/a.cpp", "<oneapi/dnnl/dnnl.hpp>"),
            ("converters/a.cpp", '"layers/stage.hpp"'),
            ("converters/a.cpp", "<opencv2/core.hpp>"),
            ("trainer/a.cpp", '"converters/convert.hpp"'),
            ("trainer/a.cpp", "<opencv2/core.hpp>"),
            ("trainer/a_opencv.cpp", '"layers/stage.hpp"'),
            ("samples/a.cpp", "<onnx/onnx_pb.h>"),
            ("benchmarks/a.cpp", '"converters/convert.hpp"'),
        ]:
            with self.subTest(path=path, header=header):
                self.assert_only(path, CPP + f"#include {header}\n", "must not include")

    def test_installed_headers_show_nothing_private(self):
        self.assert_only("plugin/include/rdi/a.hpp", HEADER + "#include <dnnl.hpp>\n", "must not include onednn")
        self.assert_only("plugin/include/rdi/a.hpp", HEADER + '#include "plugin/secret.hpp"\n', "only installed")

    def test_samples_see_only_installed_headers(self):
        self.assert_only("samples/a.cpp", CPP + '#include "plugin/include/rdi/rdi.hpp"\n', "only installed")

    def test_unknown_headers_are_found(self):
        self.assert_only("graph/a.cpp", CPP + "#include <boost/any.hpp>\n", "belongs to no folder")

    def test_forbidden_links_are_found(self):
        for path, library in [
            ("graph/CMakeLists.txt", "opencv_core"),
            ("converters/CMakeLists.txt", "rdi_layers"),
            ("trainer/CMakeLists.txt", "rdi_converters"),
            ("samples/CMakeLists.txt", "rdi_graph"),
            ("plugin/CMakeLists.txt", "${TORCH_LIBRARIES}"),
        ]:
            with self.subTest(path=path, library=library):
                text = CMAKE + f"target_link_libraries(thing PRIVATE {library})\n"
                self.assert_only(path, text, "must not link")

    def test_cmake_habits_are_checked(self):
        self.assert_only("graph/CMakeLists.txt", CMAKE + "file(GLOB sources *.cpp)\n", "GLOB")
        self.assert_only("graph/CMakeLists.txt", CMAKE + "include_directories(.)\n", "include_directories")

    def test_licence_lines_are_required(self):
        self.assert_only("graph/a.cpp", "// SPDX-FileCopyrightText: the rdi authors\n", "License-Identifier")
        self.assert_only("graph/a.cpp", "// SPDX-License-Identifier: Apache-2.0\n", "FileCopyrightText")
        self.assert_only("cmake/a.cmake", "set(a b)\n", "License-Identifier")

    def test_header_guards_are_required(self):
        self.assert_only("graph/a.hpp", CPP + "#include <vector>\n#pragma once\n", "#pragma once")
        self.assert_only("graph/a.hpp", CPP + "struct A {};\n", "#pragma once")
        self.assert_only("graph/a.hpp", HEADER + "using namespace std;\n", "using namespace")

    def test_paths_of_one_machine_are_found(self):
        for folder in ["work", "home", "root", "Users"]:
            with self.subTest(folder=folder):
                self.assert_only("docs/a.md", f"see /{folder}/me/file\n", "path of one machine")

    def test_unfinished_marks_are_found(self):
        for halves in [("TO", "DO"), ("FIX", "ME"), ("XX", "X")]:
            with self.subTest(mark="".join(halves)):
                self.assert_only("graph/a.cpp", CPP + "// " + "".join(halves) + ": later\n", "unfinished")

    def test_printing_libraries_are_found(self):
        for statement in ['std::cout << "x";', 'std::printf("x");', "exit(1);", "std::abort();"]:
            with self.subTest(statement=statement):
                self.assert_only("layers/a.cpp", CPP + "void f() { " + statement + " }\n", "must not print")

    def test_scripts_must_be_executable(self):
        self.assert_only("tests/a.sh", SCRIPT, "not executable")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Runs the sample programs on small made-up data and reads what they print.

Environment: RDI_BIN (folder of the programs), RDI_LIBRARY (librdi.so), RDI_SAMPLES (folder of classify.py).
"""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

import cv2
import numpy as np

BIN = os.environ["RDI_BIN"]
LIBRARY = os.environ["RDI_LIBRARY"]
SAMPLES = os.environ["RDI_SAMPLES"]
ROW = re.compile(r"^(\S+) +(\S.*?) +([\d.]+ %) +(exit1|exit2|main) +(-?[\d.]+ %)$", re.MULTILINE)


class SamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.fresh = cls.path("fresh.onnx")
        cls.program("rdi-convert", "--arch", "rdi-smallcnn", "-o", cls.fresh, expect=0)
        cls.model = cls.early_exit("mixed.onnx", "2.27,2.27")
        random = np.random.default_rng(1)
        cls.pictures = []
        os.mkdir(cls.path("pictures"))
        for i in range(5):
            cls.pictures.append(cls.path(f"pictures/p{i}.png"))
            cv2.imwrite(cls.pictures[-1], random.integers(0, 256, (40, 60, 3), dtype=np.uint8))
        for name in ["broken.png", "broken.avi"]:
            with open(cls.path(name), "w", encoding="utf-8") as stream:
                stream.write("this is text")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    @classmethod
    def program(cls, name, *arguments, expect, env=None):
        command = [sys.executable, os.path.join(SAMPLES, name)] if name.endswith(".py") else [os.path.join(BIN, name)]
        result = subprocess.run(command + list(arguments), capture_output=True, text=True, timeout=120,
                                env={**os.environ, **(env or {})})
        if result.returncode != expect:
            raise AssertionError(f"{name} {arguments}: exit code {result.returncode}, expected {expect}\n"
                                 f"{result.stdout}{result.stderr}")
        return result

    @classmethod
    def early_exit(cls, name, thresholds):
        cls.program("rdi-convert", cls.fresh, "-o", cls.path(name), f"--thresholds={thresholds}", expect=0)
        return cls.path(name)

    def write_video(self, name, frames):
        writer = cv2.VideoWriter(self.path(name), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
        for i in range(frames):
            writer.write(np.full((48, 64, 3), 8 * i, np.uint8))
        writer.release()
        return self.path(name)

    def write_idx(self, count, label_count=None, side=28, last_label=None):
        images, labels = self.path("images"), self.path("labels")
        pixels = np.random.default_rng(2).integers(0, 256, (count, side, side), dtype=np.uint8)
        with open(images, "wb") as stream:
            stream.write(struct.pack(">IIII", 0x803, count, side, side) + pixels.tobytes())
        label_count = count if label_count is None else label_count
        with open(labels, "wb") as stream:
            values = [i % 10 for i in range(label_count)]
            values[-1] = values[-1] if last_label is None else last_label
            stream.write(struct.pack(">II", 0x801, label_count) + bytes(values))
        return ["--images", images, "--labels", labels]

    # classify_image and classify.py

    def test_pictures_and_folders_are_classified(self):
        result = self.program("classify_image", self.model, self.path("pictures"), self.pictures[0], expect=0)
        self.assertEqual([row[0] for row in ROW.findall(result.stdout)], self.pictures + self.pictures[:1])
        self.assertEqual(result.stderr, "")

    def test_thresholds_decide_the_exit(self):
        for thresholds, exit_name in [("inf,inf", "exit1"), ("-inf,inf", "exit2"), ("-inf,-inf", "main")]:
            with self.subTest(thresholds=thresholds):
                model = self.early_exit("forced.onnx", thresholds)
                result = self.program("classify_image", model, *self.pictures, expect=0)
                self.assertEqual([row[3] for row in ROW.findall(result.stdout)], [exit_name] * 5)

    def with_points(self, name, points):
        """An early-exit file with operating points: repeated fields of protobuf files add up when these are joined."""
        def field(number, value):
            size, varint = len(value), b""
            while size >= 0x80:
                varint, size = varint + bytes([size & 0x7F | 0x80]), size >> 7
            return bytes([number << 3 | 2]) + varint + bytes([size]) + value

        entry = field(1, b"rdi.operating_points") + field(2, json.dumps(points).encode())
        with open(self.fresh, "rb") as source, open(self.path(name + ".multi"), "wb") as target:
            target.write(source.read() + field(14, entry))
        self.program("rdi-convert", self.path(name + ".multi"), "-o", self.path(name), "--thresholds=-inf,-inf", expect=0)
        return self.path(name)

    def test_an_operating_point_is_chosen_by_its_name(self):
        rule = {"criterion": "entropy", "fusion": "last", "patience": 1}
        model = self.with_points("points.onnx", {"fast": {**rule, "thresholds": ["inf", "inf"]},
                                                 "half": {**rule, "thresholds": ["-inf", "inf"]},
                                                 "fused": {**rule, "fusion": "mean", "thresholds": ["inf", "inf"]}})
        python = ["classify.py", model, self.pictures[0], "--library", LIBRARY]
        for program in [["classify_image", model, self.pictures[0]], python]:
            for point, exit_name in [([], "main"), (["fast"], "exit1"), (["half"], "exit2")]:
                with self.subTest(program=program[0], point=point):
                    option = ["--operating-point"] * len(point) + point
                    result = self.program(*program, *option, expect=0)
                    self.assertEqual([row[3] for row in ROW.findall(result.stdout)], [exit_name])
            wrong = self.program(*program, "--operating-point", "fats", expect=1)
            self.assertIn("no operating point 'fats'", wrong.stderr)
            self.assertIn("fast, fused, half", wrong.stderr.replace("default, ", ""))
        self.assertIn("another fusion", self.program(*python, "--operating-point", "fused", expect=1).stderr)
        fused = self.program("classify_image", model, self.pictures[0], "--operating-point", "fused", expect=0)
        self.assertEqual([row[3] for row in ROW.findall(fused.stdout)], ["exit1"])
        without = self.program("classify.py", self.model, self.pictures[0], "--library", LIBRARY, "--operating-point",
                               "fast", expect=1)
        self.assertIn("it has none", without.stderr)

    def test_an_unreadable_picture_is_named_and_the_others_are_classified(self):
        result = self.program("classify_image", self.model, self.path("broken.png"), self.path("nowhere.png"),
                              self.pictures[1], expect=1)
        self.assertEqual([row[0] for row in ROW.findall(result.stdout)], [self.pictures[1]])
        self.assertIn("broken.png: not a picture", result.stderr)
        self.assertIn("nowhere.png: there is no such file", result.stderr)

    def test_the_contact_sheet_shows_every_picture(self):
        sheet = self.path("sheet.png")
        self.program("classify_image", self.model, self.path("pictures"), "--sheet", sheet, expect=0)
        five = cv2.imread(sheet)
        self.program("classify_image", self.model, *self.pictures, *self.pictures, *self.pictures, f"--sheet={sheet}",
                     expect=0)
        fifteen = cv2.imread(sheet)
        self.assertEqual(five.shape[2], 3)
        self.assertGreater(fifteen.shape[0], five.shape[0])
        self.assertGreater(five.std(), 20)

    def test_python_answers_as_cpp_does(self):
        for thresholds in ["inf,inf", "-inf,inf", "-inf,-inf"]:
            with self.subTest(thresholds=thresholds):
                model = self.early_exit("compared.onnx", thresholds)
                cpp = self.program("classify_image", model, *self.pictures, expect=0)
                python = self.program("classify.py", model, *self.pictures, "--library", LIBRARY, expect=0)
                self.assertEqual(len(ROW.findall(cpp.stdout)), 5)
                self.assertEqual(ROW.findall(python.stdout), ROW.findall(cpp.stdout))

    def test_python_names_what_it_cannot_read(self):
        result = self.program("classify.py", self.model, self.path("broken.png"), self.pictures[0], expect=1)
        self.assertIn("broken.png: not a picture", result.stderr)
        result = self.program("classify.py", self.model, self.pictures[0], "--library", "no.so", expect=1)
        self.assertIn("cannot load librdi.so", result.stderr)
        result = self.program("classify.py", self.fresh, self.pictures[0], expect=1)
        self.assertIn("fresh.onnx: not an early-exit net", result.stderr)

    def test_bad_models_are_named(self):
        with open(self.model, "rb") as stream:
            head = stream.read(2000)
        with open(self.path("cut.onnx"), "wb") as stream:
            stream.write(head)
        for model, message in [("nowhere.onnx", "there is no such file"), ("cut.onnx", "cannot be loaded"),
                               ("fresh.onnx", "not an early-exit net")]:
            with self.subTest(model=model):
                result = self.program("classify_image", self.path(model), self.pictures[0], expect=1)
                self.assertIn(f"{model}: {message}", result.stderr)

    def check_damaged_models(self, program, *options):
        with open(self.model, "rb") as stream:
            data = stream.read()
        key = b"\x0a\x05graph"  # the name of a stage's attribute; its bytes follow
        at = data.index(key) + len(key)
        for name, content in [("cut", data[:2000]), ("nameless", data.replace(key, b"\x0a\x05grapf", 1)),
                              ("graph", data[:at + 8] + b"\xff" * 32 + data[at + 40:])]:
            with self.subTest(name=name):
                with open(self.path(f"{name}.onnx"), "wb") as stream:
                    stream.write(content)
                result = self.program(program, self.path(f"{name}.onnx"), self.pictures[0], *options, expect=1)
                self.assertIn(f"{program}: {self.path(name)}.onnx: ", result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_a_damaged_model_gives_one_line(self):
        self.check_damaged_models("classify_image")

    def test_a_damaged_model_gives_one_line_in_python(self):
        self.check_damaged_models("classify.py", "--library", LIBRARY)

    def write_model(self, name, *changes):
        with open(self.model, "rb") as stream:
            data = stream.read()
        for old, new in changes:
            data = data.replace(old, new)
        with open(self.path(name), "wb") as stream:
            stream.write(data)
        return self.path(name)

    def with_metadata(self, key, value):
        """The model with another entry of metadata_props, field 14; the last one counts."""
        entry = bytes([0x0A, len(key)]) + key.encode() + bytes([0x12, len(value)]) + value.encode()
        path = self.write_model("metadata.onnx")
        with open(path, "ab") as stream:
            stream.write(bytes([0x72, len(entry)]) + entry)
        return path

    def test_python_needs_no_metadata(self):
        model = self.write_model("bare.onnx", (b"rdi.preprocessing", b"xxx.preprocessing"), (b"rdi.cost", b"xxx.cost"))
        python = self.program("classify.py", model, *self.pictures, "--library", LIBRARY, expect=0)
        cpp = self.program("classify_image", model, *self.pictures, expect=0)
        rows = [re.sub(r" +-?[\d.]+ %$", "", line) for line in cpp.stdout.splitlines()[1:]]
        self.assertEqual([line.rstrip() for line in python.stdout.splitlines()[1:]], rows)
        self.assertNotIn("saving", python.stdout)
        for value in ["{}", '{"height": 1}']:
            with self.subTest(value=value):
                model = self.with_metadata("rdi.preprocessing", value)
                self.program("classify.py", model, self.pictures[0], "--library", LIBRARY, expect=0)

    def test_python_names_damaged_metadata(self):
        for key, value in [("rdi.preprocessing", ""), ("rdi.preprocessing", "[]"), ("rdi.preprocessing", '{"scale": "x"}'),
                           ("rdi.preprocessing", '{"mean": [1, 2, 3, 4]}'), ("rdi.cost", "[]"),
                           ("rdi.cost", "[{}, {}, {}]"), ("rdi.cost", '["", "", ""]'), ("rdi.class_names", "{}")]:
            with self.subTest(key=key, value=value):
                result = self.program("classify.py", self.with_metadata(key, value), self.pictures[0], "--library",
                                      LIBRARY, expect=1)
                self.assertIn(f"metadata '{key}' cannot be read", result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_python_names_a_net_that_cannot_run(self):
        model = self.write_model("renamed.onnx", (b"\x12\x06scores", b"\x12\x06answer"))  # the output
        result = self.program("classify.py", model, self.pictures[0], "--library", LIBRARY, expect=1)
        self.assertIn(f"renamed.onnx: cannot classify {self.pictures[0]}", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_wrong_usage_ends_with_code_2_and_the_usage(self):
        for arguments in [["classify_image"], ["classify_image", "m", "p", "--shiit", "x"], ["camera"],
                          ["camera", "m", "--frames", "none"], ["classify_test_set", "m"]]:
            with self.subTest(arguments=arguments):
                self.assertIn("usage:", self.program(*arguments, expect=2).stderr)

    @unittest.skipUnless(os.path.exists(os.path.join(BIN, "rdi_exits_benchmark")), "the benchmarks are not built")
    def test_the_benchmark_tells_wrong_usage_from_help(self):
        for arguments, message in [(["--shiit", "x"], "unknown option --shiit"), (["--threads"], "'--threads' is not followed"),
                                   (["--threads", "0"], "'--threads 0' is not understood"), (["x"], "unknown option x"),
                                   (["--clock", "sun"], "'--clock sun' is not understood"),
                                   (["--benchmark_shiit=1"], "--benchmark_shiit=1")]:
            with self.subTest(arguments=arguments):
                result = self.program("rdi_exits_benchmark", *arguments, expect=2)
                self.assertEqual(result.stdout, "")
                self.assertIn(message, result.stderr)
                self.assertGreaterEqual(len(result.stderr.splitlines()), 4)
                self.assertIn("\nusage: rdi_exits_benchmark ", result.stderr)
        result = self.program("rdi_exits_benchmark", "--help", expect=0)
        self.assertRegex(result.stdout, r"^usage: rdi_exits_benchmark .*\n(  --.*\n)+$")
        self.assertEqual(result.stderr, "")

    def test_an_unwritable_sheet_is_named(self):
        result = self.program("classify_image", self.model, self.pictures[0], "--sheet", self.path("no/sheet.png"), expect=1)
        self.assertIn("no/sheet.png: cannot be written", result.stderr)

    # camera

    def test_a_video_is_written_frame_by_frame(self):
        video = self.write_video("in.avi", 7)
        result = self.program("camera", self.model, "--source", video, "--output", self.path("out.avi"), expect=0)
        self.assertIn("7 frames", result.stdout)
        written = cv2.VideoCapture(self.path("out.avi"))
        self.assertEqual(sum(1 for _ in iter(lambda: written.read()[0], False)), 7)

    def test_numbered_pictures_are_written(self):
        video = self.write_video("in.avi", 7)
        self.program("camera", self.model, "--source", video, "--output", self.path("frame-%02d.png"), "--frames", "3", expect=0)
        written = sorted(name for name in os.listdir(self.folder.name) if name.startswith("frame-"))
        self.assertEqual(written, ["frame-00.png", "frame-01.png", "frame-02.png"])
        self.assertGreaterEqual(cv2.imread(self.path(written[0])).shape[1], 640)

    # cut_cifar10_objects.py

    def test_objects_are_cut_out_of_opencvs_pictures_and_what_is_missing_is_named(self):
        doc, out, frames = self.path("doc/html"), self.path("cut"), self.path("frames")
        os.makedirs(doc)
        result = self.program("cut_cifar10_objects.py", self.path("doc"), out, frames, expect=1)
        self.assertIn("found no aero_det.jpg", result.stderr)
        for name in ["Histogram_Equalization_Original_Image", "Morphology_1_Tutorial_Original_Image",
                     "Pyramids_Tutorial_Original_Image", "Remap_Tutorial_Original_Image", "aero_det", "cat_det",
                     "licenseplate_motion", "meanshift_result", "motion_original"]:
            cv2.imwrite(f"{doc}/{name}.jpg", np.full((800, 700, 3), 90, np.uint8))
        self.program("cut_cifar10_objects.py", self.path("doc"), out, frames, expect=0)
        self.assertEqual(len(os.listdir(out)), 10)
        self.assertEqual(sorted(os.listdir(frames)), [f"{i:02}.png" for i in range(10)])
        self.assertEqual(cv2.imread(out + "/airplane-00.png").shape, (256, 256, 3))
        cv2.imwrite(f"{doc}/cat_det.jpg", np.full((100, 100, 3), 90, np.uint8))
        result = self.program("cut_cifar10_objects.py", self.path("doc"), out, frames, expect=1)
        self.assertIn("cat_det.jpg: found 100 x 100 pixels, too few", result.stderr)

    def test_without_a_display_the_camera_names_the_way_out(self):
        video = self.write_video("in.avi", 2)
        result = self.program("camera", self.model, "--source", video, expect=1,
                              env={"DISPLAY": ":987", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": "xcb"})
        self.assertIn("use --output", result.stderr)

    def test_bad_sources_and_outputs_are_named(self):
        video = self.write_video("in.avi", 2)
        for source, output, message in [
            (self.path("nowhere.avi"), "out.avi", "nowhere.avi: there is no such video"),
            (self.path("broken.avi"), "out.avi", "broken.avi: not a video"),
            (self.path("broken.png"), "out.avi", "broken.png: gave no frame"),
            ("987", "out.avi", "camera 987 cannot be opened"),
            (video, "out.txt", "out.txt: expected a video"),
            (video, "frame-%s.png", "frame-%s.png: expected one number"),
            (video, "no/out.avi", "no/out.avi: cannot be written"),
        ]:
            with self.subTest(source=source, output=output):
                result = self.program("camera", self.model, "--source", source, "--output", self.path(output), expect=1)
                self.assertIn(message, result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    # classify_test_set

    def test_a_test_set_is_counted_and_timed(self):
        static = self.path("static.onnx")
        self.program("rdi-convert", self.fresh, "--static", "main", "-o", static, expect=0)
        result = self.program("classify_test_set", self.model, *self.write_idx(130), "--static", static, "--sheet",
                              self.path("set.png"), expect=0)
        shares = [float(share) for share in re.findall(r"^(?:exit1|exit2|main) +([\d.]+) %", result.stdout, re.MULTILINE)]
        self.assertEqual(len(shares), 3)
        self.assertAlmostEqual(sum(shares), 100, delta=0.05)
        self.assertRegex(result.stdout, r"early exit +[\d.]+ ms")
        self.assertRegex(result.stdout, r"its exits switched off +[\d.]+ ms")
        self.assertRegex(result.stdout, r"static net, OpenCV +[\d.]+ ms")
        self.assertIsNotNone(cv2.imread(self.path("set.png")))

    def test_the_limit_is_kept_and_the_cost_follows_the_exit(self):
        model = self.early_exit("all_out.onnx", "inf,inf")
        result = self.program("classify_test_set", model, *self.write_idx(30), "--limit", "20", expect=0)
        self.assertRegex(result.stdout, r"pictures +20\n")
        # exit1 costs 1.0154 of the static net's 9.9524 million multiply-accumulates.
        self.assertIn("average cost, every head paid: 10.2 %", result.stdout)

    def test_bad_test_sets_are_named(self):
        whole = self.write_idx(10)
        images = self.path("images")
        with open(images, "rb") as stream:
            data = stream.read()
        with gzip.open(self.path("packed"), "wb") as stream:
            stream.write(data)
        for name, content in [("short", data[:-1]), ("long", data + b"x"), ("header", data[:7]), ("none", None)]:
            if content is not None:
                with open(self.path(name), "wb") as stream:
                    stream.write(content)
        for name, message in [("short", "holds 7839 values"), ("long", "holds 7841 values"), ("header", "not an idx file"),
                              ("packed", "is packed with gzip"), ("none", "cannot be opened")]:
            with self.subTest(name=name):
                result = self.program("classify_test_set", self.model, "--images", self.path(name), "--labels", whole[3],
                                      expect=1)
                self.assertIn(f"{name}: {message}", result.stderr)
        result = self.program("classify_test_set", self.model, *self.write_idx(10, label_count=9), expect=1)
        self.assertIn("9 labels for 10 pictures", result.stderr)
        for change, message in [({"last_label": 10}, "labels: label 9 is 10, the model has only the classes 0 .. 9"),
                                ({"side": 32}, "images: picture 0 has 32 x 32 pixels, the model expects 28 x 28")]:
            with self.subTest(**change):
                result = self.program("classify_test_set", self.model, *self.write_idx(10, **change), expect=1)
                self.assertIn(message, result.stderr)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    unittest.main()

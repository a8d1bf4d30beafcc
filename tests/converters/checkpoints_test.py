#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Checkpoints that Python's own pickler and zip writer make, as torch.save drives them, through rdi-convert; and hostile
files, whose memory is measured.

Environment: RDI_CONVERT (the program).
"""

import argparse
import collections
import io
import os
import pickle
import random
import struct
import subprocess
import tempfile
import unittest
import zipfile

from torch_save import FloatStorage, Parameter, Tensor, save_legacy, save_safetensors, save_zip

CONVERT = os.environ["RDI_CONVERT"]
ARCHITECTURE = "rdi-smallcnn"
SHAPES = {
    "conv1": (32, 1, 3, 3), "conv2": (32, 32, 3, 3), "conv3": (64, 32, 3, 3), "conv4": (64, 64, 3, 3),
    "fc1": (200, 1024), "fc2": (200, 200), "fc3": (10, 200),
    "branch_layer1.0": (16, 32, 3, 3), "branch_layer1.3": (200, 576), "branch_layer1.5": (200, 200),
    "branch_layer1.6": (10, 200),
    "branch_layer2.2": (200, 1600), "branch_layer2.4": (200, 200), "branch_layer2.5": (10, 200),
}  # fmt: skip
MEBIBYTE = 1 << 20


def count(shape):
    result = 1
    for size in shape:
        result *= size
    return result


class CheckpointsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        numbers = random.Random(1)
        cls.state, cls.storages = collections.OrderedDict(), []
        for layer, shape in SHAPES.items():
            for name, size in ((f"{layer}.weight", shape), (f"{layer}.bias", shape[:1])):
                data = struct.pack(f"<{count(size)}f", *(numbers.uniform(-1, 1) for _ in range(count(size))))
                cls.storages.append(FloatStorage(str(len(cls.storages)), data))
                cls.state[name] = Tensor(cls.storages[-1], size)
        cls.reference = cls.imported(save_safetensors(cls.state))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def run_convert(cls, contents, *options):
        """(exit code, stderr, bytes of the model or None, largest resident size in bytes)"""
        source, target = os.path.join(cls.folder.name, "weights"), os.path.join(cls.folder.name, "out.onnx")
        with open(source, "wb") as stream:
            stream.write(contents)
        arguments = [CONVERT, source, "--arch", ARCHITECTURE, "-o", target, *options]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            error = process.stderr.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        model = None
        if os.path.exists(target):
            with open(target, "rb") as stream:
                model = stream.read()
            os.remove(target)
        assert os.listdir(cls.folder.name) == ["weights"], os.listdir(cls.folder.name)
        return process.returncode, error, model, usage.ru_maxrss * 1024

    @classmethod
    def imported(cls, contents, *options):
        code, error, model, _ = cls.run_convert(contents, *options)
        assert code == 0 and not error, error
        return model

    def values(self):
        """What people save, around the same state dict."""
        wrapped = collections.OrderedDict((f"module.{name}", Parameter(tensor)) for name, tensor in self.state.items())
        wrapped._metadata = collections.OrderedDict(version=1)
        checkpoint = {
            "epoch": 3, "best": 0.25, "big": 1 << 80, "negative": -5, "long": 1 << 40, "flags": [True, False, None],
            "args": argparse.Namespace(lr=0.1, data="somewhere", sizes=(1, 2, 3, 4)),
            "optimizer": {"state": {0: {"momentum.buffer": self.state["fc3.bias"]}}, "param_groups": [{"params": [0, 1]}]},
            "seen": {1, 2}, "frozen": frozenset([1]), "raw": b"bytes" * 100, "text": "\u00e4" * 300,
            "counts": collections.Counter("abca"), "state_dict": wrapped,
        }  # fmt: skip
        return [self.state, dict(self.state), wrapped, checkpoint]

    def test_every_protocol_in_every_container(self):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            for value in self.values():
                with self.subTest(protocol=protocol, value=type(value)):
                    self.assertEqual(self.imported(save_legacy(value, self.storages, protocol)), self.reference)
                    self.assertEqual(self.imported(save_zip(value, self.storages, protocol)), self.reference)

    def test_zips_of_every_kind(self):
        for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            for zip64 in (False, True):
                with self.subTest(compression=compression, zip64=zip64):
                    file = save_zip(self.state, self.storages, compression=compression, zip64=zip64)
                    self.assertEqual(self.imported(file), self.reference)

    def test_thresholds_give_the_early_exit_file(self):
        model = self.imported(save_zip(self.state, self.storages), "--thresholds", "0.1,0.2")
        self.assertIn(b"RdiSelect", model)
        self.assertNotIn(b"RdiSelect", self.reference)

    def refuse(self, contents, *words, most=64):
        """One line that holds `words`, nothing written, and no more memory than `most` times the file's size."""
        code, error, model, memory = self.run_convert(contents)
        self.assertEqual((code, model), (1, None))
        self.assertEqual(error.count("\n"), 1)
        for word in ("rdi-convert: ", "weights: ", *words):
            self.assertIn(word, error)
        # The program itself takes 20 MiB, and the kernel counts this interpreter before it becomes the program.
        self.assertLess(memory, 64 * MEBIBYTE + most * len(contents), error)

    def test_calls_are_never_made(self):
        marker = os.path.join(self.folder.name, "executed")

        class Hostile:
            def __reduce__(self):
                return os.system, (f"touch {marker}",)

        value = dict(self.state, hostile=Hostile())
        self.assertEqual(self.imported(save_legacy(value, self.storages), "--ignore", "hostile"), self.reference)
        self.refuse(save_zip(Hostile(), []), "posix system")
        self.assertFalse(os.path.exists(marker))

    def test_hostile_files_need_little_memory(self):
        huge = struct.pack("<q", 1 << 60)
        legacy = save_legacy(self.state, self.storages)
        first = legacy.index(struct.pack("<q", count(SHAPES["conv1"])) + self.storages[0].data)
        self.refuse(legacy[:first] + huge + legacy[first + 8:], "1152921504606846976 elements", most=4)
        self.refuse(struct.pack("<Q", 99_999_999) + b"{" + b" " * 100, "cut short", most=4)
        header = b'{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}'
        self.refuse(struct.pack("<Q", len(header)) + header + b"1234", "1152921504606846976", most=4)
        self.refuse(b"\x80\x02" + b"]" * MEBIBYTE, "weights")
        self.refuse(b"\x80\x02" + b"(" * MEBIBYTE, "weights")
        self.refuse(b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(MEBIBYTE // 5)), "weights")
        self.refuse(b"\x80\x02\x8e" + huge, "cut short", most=4)
        self.refuse(struct.pack("<Q", 2 * MEBIBYTE) + b'{"a":' + b"[" * (2 * MEBIBYTE - 5), "levels", most=8)
        header = b"{" + b",".join(b'"%x":{}' % i for i in range(MEBIBYTE // 8)) + b"}"
        self.refuse(struct.pack("<Q", len(header)) + header, "dtype")
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("net/data.pkl", "w") as record:
                for _ in range(100):
                    record.write(bytes(MEBIBYTE))
        self.refuse(bomb.getvalue(), "net/data.pkl", "grows", most=4)

    def test_every_cut_is_refused(self):
        for whole in (save_legacy(self.state, self.storages), save_zip(self.state, self.storages),
                      save_safetensors(self.state), self.reference):  # fmt: skip
            for part in (0.0001, 0.001, 0.01, 0.5, 0.999):
                self.refuse(whole[: int(part * len(whole))])
            self.refuse(whole[:-1])


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""calibrated_rule_test.py RDI_EVALUATE RDI_CONVERT LIBRDI MODEL DATA: a rule that was chosen is the rule that is deployed.

Calibrates MODEL (of MNIST, the last 5000 training pictures held out) to rules of several kinds, converts it, runs the
early-exit file in OpenCV on the very pictures that were held out, and compares accuracy, exits and cost with what
rdi-evaluate said. RDI_DATA in the environment replaces DATA. Exit code 77 where the data is not there."""

import ctypes
import gzip
import json
import os
import subprocess
import sys
import tempfile

import cv2
import numpy

HELD_OUT, COUNT, SKIPPED = 5000, 400, 77
ROUNDING = 1  # pictures so close to a threshold that another engine may decide otherwise

EQUAL_SHARES = ["--policy", "equal-shares"]
COST = ["--policy", "cost", "--max-drop", "0.25"]
KINDS = [[*EQUAL_SHARES, "--criterion", "margin", "--fusion", "mean", "--patience", "2"],
         [*EQUAL_SHARES, "--criterion", "entropy", "--fusion", "mean", "--patience", "1"],
         [*COST, "--criterion", "max_probability", "--fusion", "last", "--patience", "1"],
         [*COST, "--criterion", "any", "--fusion", "any", "--patience", "any", "--check-share", "0"]]


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def held_out(folder):
    with gzip.open(os.path.join(folder, "train-images-idx3-ubyte.gz")) as stream:
        pictures = numpy.frombuffer(stream.read()[16:], numpy.uint8).reshape(-1, 28, 28)
    with gzip.open(os.path.join(folder, "train-labels-idx1-ubyte.gz")) as stream:
        labels = numpy.frombuffer(stream.read()[8:], numpy.uint8)
    first = len(labels) - HELD_OUT
    return pictures[first:first + COUNT], labels[first:first + COUNT]


def main():
    evaluate, convert, library, model, data = sys.argv[1:]
    mnist = os.path.join(os.environ.get("RDI_DATA", data), "mnist")
    if not os.path.exists(mnist):
        print(f"skipped: {mnist} is not there; RDI_DATA names the folder of the data")
        return SKIPPED
    ctypes.CDLL(library)
    pictures, labels = held_out(mnist)
    blob = cv2.dnn.blobFromImages(list(pictures), 1 / 255, (28, 28))
    with tempfile.TemporaryDirectory() as folder:
        chosen, early, found = (os.path.join(folder, name) for name in ("chosen.onnx", "early.onnx", "found.json"))
        for kind in KINDS:
            run(evaluate, "calibrate", model, "--data", f"mnist:{mnist}", "-o", chosen, "--json", found, "--threads",
                "1", "--limit", str(COUNT), *kind)
            run(convert, chosen, "-o", early)
            with open(found, encoding="utf-8") as stream:
                said = json.load(stream)
            assert said["image_count"] == COUNT, said["image_count"]
            row = said["rows"][0]
            net = cv2.dnn.readNet(early)
            net.setInput(blob)
            scores, taken = net.forward(["scores", "onnx_node!exit"])
            leaving = numpy.bincount(taken[:, 0].astype(int), minlength=3)
            right = int((scores.argmax(1) == labels).sum())
            expected = numpy.rint(numpy.array(row["exit_shares"]) * COUNT)
            print(said["rule"], "leaving", leaving, "right", right)
            assert 0 < leaving[0] + leaving[1], "nobody leaves early"
            assert numpy.abs(leaving - expected).max() <= ROUNDING, expected
            assert abs(right - round(row["accuracy"] * COUNT)) <= ROUNDING, row["accuracy"]
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""attached_branches_test.py BIN LIBRDI DATA: a single-exit model of somebody else becomes an early-exit one.

rdi-attach, rdi-train --freeze-backbone, rdi-evaluate calibrate, rdi-convert (all in folder BIN), then cv2.dnn. With DATA
(RDI_DATA in the environment replaces it) the CNTK model of MNIST, trained for seconds: it must stay as accurate as it was, to
a point, and save a quarter of its cost. Without, a network with fresh weights and drawn pictures: all but the figures."""

import ctypes
import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile

import cv2
import numpy

TESTED = 1000  # pictures; one of them is 0.1 points
LOST, PAID = 0.01, 0.75  # at most: accuracy, cost of the static net
ROUNDING = 2  # pictures so close to a threshold that another engine may decide otherwise


def run(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"{program} {arguments}: {done.stderr}"
    return done.stdout


def write_idx(path, values):
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    with gzip.open(path, "wb", 1) as stream:
        stream.write(header + values.astype(numpy.uint8).tobytes())


def draw_pictures(folder):
    """Ten classes: a bright square at one of ten places, in noise."""
    random = numpy.random.default_rng(1)
    for stem, count in (("train", 1500), ("t10k", TESTED)):
        labels = random.integers(0, 10, count)
        pictures = random.integers(0, 90, (count, 28, 28))
        for picture, label in zip(pictures, labels):
            row, column = 2 + 14 * (label // 5), 1 + 5 * (label % 5)
            picture[row:row + 10, column:column + 5] += 120
        write_idx(os.path.join(folder, f"{stem}-images-idx3-ubyte.gz"), pictures)
        write_idx(os.path.join(folder, f"{stem}-labels-idx1-ubyte.gz"), labels)


def read_test_set(folder):
    with gzip.open(os.path.join(folder, "t10k-images-idx3-ubyte.gz")) as stream:
        pictures = numpy.frombuffer(stream.read()[16:], numpy.uint8).reshape(-1, 28, 28)
    with gzip.open(os.path.join(folder, "t10k-labels-idx1-ubyte.gz")) as stream:
        labels = numpy.frombuffer(stream.read()[8:], numpy.uint8)
    return pictures[:TESTED], labels[:TESTED]


def scores_of(file, pictures, scale):
    net = cv2.dnn.readNet(file)
    rows = []
    for picture in pictures:  # a CNTK model takes one at a time
        net.setInput(cv2.dnn.blobFromImage(picture, scale, (28, 28)))
        rows.append(net.forward().reshape(1, -1).copy())
    return numpy.concatenate(rows)


def check(path, single, mnist, feeding, real):
    """`feeding`: rdi-attach's words for what the network was fed, and its scale."""
    options, scale = feeding
    program = lambda name: os.path.join(path["bin"], name)
    file = lambda name: os.path.join(path["folder"], name)
    data = f"mnist:{mnist}"
    run(program("rdi-attach"), single, *options, "--exits", "1", "--budget", "6", "-o", file("attached.onnx"))
    run(program("rdi-train"), "--init", file("attached.onnx"), "--freeze-backbone", "--defence", "standard", "--data", data,
        "--held-out", "1000", "--iterations", "250" if real else "20", "--batch-size", "64", "--learning-rate", "0.1",
        "--schedule", "one-cycle", "--validate-images", "100", "--threads", "1", "-o", file("run"))
    trained = file("run/model.onnx")

    changed = json.loads(run(program("rdi-inspect"), file("attached.onnx"), trained, "--json"))["weights"]["changed"]
    assert changed, "no weight was trained"
    assert all(tensor["name"].startswith("branch_exit1.") for tensor in changed), changed

    run(program("rdi-evaluate"), "calibrate", trained, "--data", data, "--policy", "cost", "--max-drop", "0.5", "--threads",
        "1", "--json", file("chosen.json"))
    run(program("rdi-evaluate"), trained, "--data", data, "--limit", str(TESTED), "--threads", "1", "--json",
        file("found.json"), "--attack", "none", "-o", file("evaluation"))
    run(program("rdi-convert"), trained, "-o", file("early.onnx"))

    pictures, labels = read_test_set(mnist)
    net = cv2.dnn.readNet(file("early.onnx"))
    net.setInput(cv2.dnn.blobFromImages(list(pictures), 1 / 255, (28, 28)))
    scores, taken = net.forward(["scores", "onnx_node!exit"])
    right = (scores.argmax(1) == labels).mean()
    early = (taken[:, 0] == 0).mean()
    static = scores_of(single, pictures, scale)
    static_right = (static.argmax(1) == labels).mean()
    with open(file("found.json"), encoding="utf-8") as stream:
        row = json.load(stream)["rows"][0]
    print(f"static {static_right:.4f}, early exit {right:.4f}, {early:.3f} leave early, paid {row['paid_fraction']:.4f}")

    stayed = taken[:, 0] == 1
    if stayed.any():  # who goes to the end gets the answer of the network as it was
        difference = numpy.abs(scores[stayed] - static[stayed]).max() / numpy.abs(static).max()
        assert difference < 1e-4, difference
    assert abs(early - row["exit_shares"][0]) * TESTED <= ROUNDING, (early, row["exit_shares"])
    assert abs(right - row["accuracy"]) * TESTED <= ROUNDING, (right, row["accuracy"])
    if real:
        assert right >= static_right - LOST, (right, static_right)
        assert row["paid_fraction"] <= PAID, row["paid_fraction"]


def main():
    folder_of_programs, library, data = sys.argv[1:]
    data = os.environ.get("RDI_DATA", data)
    ctypes.CDLL(library)
    with tempfile.TemporaryDirectory() as folder:
        path = {"bin": folder_of_programs, "folder": folder}
        single, mnist = os.path.join(data, "onnx", "mnist.onnx"), os.path.join(data, "mnist")
        real = os.path.exists(single) and os.path.exists(mnist)
        if real:
            check(path, single, mnist, (["--std", "1"], 1), real)
            return
        print(f"{data} is not there; drawn pictures and fresh weights instead")
        draw_pictures(folder)
        convert, single = os.path.join(folder_of_programs, "rdi-convert"), os.path.join(folder, "single.onnx")
        run(convert, "--arch", "rdi-smallcnn", "-o", os.path.join(folder, "fresh.onnx"))
        run(convert, os.path.join(folder, "fresh.onnx"), "--static", "main", "-o", single)
        check(path, single, folder, ([], 1 / 255), real)


if __name__ == "__main__":
    main()

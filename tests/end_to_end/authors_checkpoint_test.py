#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""authors_checkpoint_test.py RDI_CONVERT LIBRDI DATA [IMAGES]: imports the publication's checkpoint and runs it in OpenCV.

The logits must be those that the authors' code gives (DATA/triple-wins/expected_logits.txt), and on the first IMAGES
pictures of CIFAR-10's test set (default 1000; 10000 is the whole set) accuracy and shares of the exits under the
reference thresholds must be the known ones. RDI_DATA in the environment replaces DATA. Exit code 77 where the data is
not there."""

import ctypes
import lzma
import os
import re
import subprocess
import sys
import tempfile

import cv2
import numpy

ARCHITECTURE = "rdi-resnet38"
EXITS = ["exit1", "exit2", "exit3", "exit4", "exit5", "exit6", "main"]
THRESHOLDS = ".2642,.3698,.3614,.7664,1.0351,1.3061"
SKIPPED = 77

# Pictures of the test set -> pictures that are classified rightly, pictures that leave at each exit.
KNOWN = {1000: (848, [68, 124, 117, 227, 150, 164, 150]), 10000: (8379, [829, 1087, 1193, 2252, 1531, 1644, 1464])}
ROUNDING = 3  # pictures so close to a threshold or a tie that another CPU may decide otherwise


def convert(program, arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def expected_logits(path):
    """The two fixtures that a formula gives: [(blob, logits of each exit)]."""
    index = numpy.arange(3 * 32 * 32)
    pictures = [((index * 37) % 256 / 255).astype(numpy.float32), numpy.full(index.size, 0.5, numpy.float32)]
    with open(path, encoding="ascii") as stream:
        rows = re.findall(r"^ exit\d H=\S+ : (.+)$", stream.read(), re.MULTILINE)
    logits = numpy.array([[float(number) for number in row.split()] for row in rows], numpy.float32)
    assert logits.shape == (2 * len(EXITS), 10), logits.shape
    return [(picture.reshape(1, 3, 32, 32), logits[i * len(EXITS):(i + 1) * len(EXITS)])
            for i, picture in enumerate(pictures)]


def check_logits(multi_exit, early_exit, fixtures):
    plain, early = cv2.dnn.readNet(multi_exit), cv2.dnn.readNet(early_exit)
    worst = 0
    for blob, expected in fixtures:
        plain.setInput(blob)
        for found, wanted in zip(plain.forward(EXITS), expected):
            worst = max(worst, numpy.abs(found[0] - wanted).max())
        for leaves, wanted in enumerate(expected):
            for i in range(len(EXITS) - 1):
                threshold = numpy.inf if i == leaves else -numpy.inf
                early.setParam(f"onnx_node!gate_{EXITS[i]}", 0, numpy.full((1, 1), threshold, numpy.float32))
            early.setInput(blob)
            scores, taken = early.forward(["scores", "onnx_node!exit"])
            assert int(taken[0, 0]) == leaves, (taken, leaves)
            worst = max(worst, numpy.abs(scores[0] - wanted).max())
    print(f"largest difference of a logit: {worst:.2e}")
    assert worst <= 1e-3, worst


def test_set(folder, count):
    mosaic = cv2.imread(os.path.join(folder, "test_batch.webp"), cv2.IMREAD_COLOR)
    pictures = mosaic.reshape(100, 32, 100, 32, 3).transpose(0, 2, 1, 3, 4).reshape(10000, 32, 32, 3)
    with lzma.open(os.path.join(folder, "labels.xz")) as stream:
        labels = numpy.frombuffer(stream.read(), numpy.uint8)[50000:]
    return pictures[:count], labels[:count]


def measure(early_exit, pictures, labels):
    """Pictures that are classified rightly, and pictures that leave at each exit."""
    net = cv2.dnn.readNet(early_exit)
    right, leaving = 0, numpy.zeros(len(EXITS), int)
    for start in range(0, len(labels), 250):
        batch = slice(start, start + 250)
        net.setInput(cv2.dnn.blobFromImages(list(pictures[batch]), 1 / 255, (32, 32), swapRB=True))
        scores, taken = net.forward(["scores", "onnx_node!exit"])
        right += int((scores.argmax(1) == labels[batch]).sum())
        leaving += numpy.bincount(taken[:, 0].astype(int), minlength=len(EXITS))
    return right, leaving.tolist()


def main():
    program, library, data = sys.argv[1:3] + [os.environ.get("RDI_DATA", sys.argv[3])]
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
    checkpoint = os.path.join(data, "triple-wins", "checkpoint_60000.pth.tar")
    cifar10 = os.path.join(data, "cifar10")
    if not os.path.exists(checkpoint) or not os.path.exists(cifar10):
        print(f"skipped: {checkpoint} and {cifar10} are not both there; RDI_DATA names the folder of the data")
        return SKIPPED
    ctypes.CDLL(library)
    with tempfile.TemporaryDirectory() as folder:
        multi_exit, early_exit = os.path.join(folder, "multi.onnx"), os.path.join(folder, "early.onnx")
        convert(program, [checkpoint, "--arch", ARCHITECTURE, "-o", multi_exit])
        convert(program, [checkpoint, "--arch", ARCHITECTURE, "-o", early_exit, "--thresholds", THRESHOLDS])
        check_logits(multi_exit, early_exit,
                     expected_logits(os.path.join(data, "triple-wins", "expected_logits.txt")))
        right, leaving = measure(early_exit, *test_set(cifar10, count))
    print(f"{count} pictures: {100 * right / count:.2f} % right, leaving at each exit: {leaving}")
    if count in KNOWN:
        assert numpy.abs(numpy.hstack([right, leaving]) - numpy.hstack(KNOWN[count])).max() <= ROUNDING, KNOWN[count]
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""test_plugin.py LIBRDI FOLDER: the plugin from Python, through cv2 alone."""
import ctypes
import math
import subprocess
import sys

import cv2
import numpy


def scores(net, blob):
    net.setInput(blob)
    return net.forward().copy()


def require_close(expected, found):
    difference = numpy.abs(expected - found).max()
    assert difference <= 1e-4 * numpy.abs(expected).max(), difference


def run(library, folder):
    ctypes.CDLL(library)
    net = cv2.dnn.readNet(f"{folder}/early.onnx")
    blob = numpy.random.default_rng(1).random((4, 1, 28, 28), dtype=numpy.float32)
    whole = scores(cv2.dnn.readNet(f"{folder}/static.onnx"), blob)
    first = scores(cv2.dnn.readNet(f"{folder}/exit1.onnx"), blob)
    assert numpy.abs(whole - first).max() > 1e-3

    require_close(whole, scores(net, blob))
    gate = "onnx_node!gate_exit1"
    assert net.getParam(gate, 0).flat[0] == -math.inf
    net.setParam(gate, 0, numpy.float32([[math.inf]]))
    require_close(first, scores(net, blob))
    taken = net.forward(["scores", "onnx_node!exit"])[1]
    assert taken.shape == (4, 1) and not taken.any(), taken
    net.setParam(gate, 0, numpy.float32([[-math.inf]]))
    require_close(whole, scores(net, blob))

    net.setParam(gate, 0, numpy.float32([[math.nan]]))
    try:
        scores(net, blob)
    except cv2.error as error:
        assert "NaN" in str(error), error
    else:
        raise AssertionError("a NaN threshold was accepted")


def main():
    if sys.argv[1] == "--inside":
        run(*sys.argv[2:])
        return 0
    done = subprocess.run([sys.executable, __file__, "--inside", *sys.argv[1:]], capture_output=True, text=True)
    if done.returncode != 0 or done.stdout or done.stderr:
        print(f"exit code {done.returncode}, expected 0 and nothing printed\n{done.stdout}{done.stderr}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

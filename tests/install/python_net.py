#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""python_net.py MODEL [LIBRARY]: one forward from Python; loads LIBRARY with ctypes when it is named. Sets a threshold by
setParam and expects the next forward to obey it."""

import ctypes
import sys

import cv2
import numpy as np

if len(sys.argv) > 2:
    ctypes.CDLL(sys.argv[2])
net = cv2.dnn.readNet(sys.argv[1])
blob = np.random.default_rng(1).random((1, 1, 28, 28), dtype=np.float32)


def exit_taken(threshold):
    net.setParam("onnx_node!gate_exit1", 0, np.full((1, 1), threshold, np.float32))
    net.setInput(blob)
    scores, taken = net.forward(["scores", "onnx_node!exit"])
    assert scores.shape == (1, 10) and np.isfinite(scores).all(), scores
    return int(taken[0, 0])


first, later = exit_taken(np.inf), exit_taken(-np.inf)
assert first == 0, f"threshold +infinity: left at {first}, expected 0"
assert later > 0, f"threshold -infinity: left at {later}, expected a later exit"
print(f"exits {first} {later}")

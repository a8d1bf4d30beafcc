#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Classifies pictures with an early-exit net from Python: the distribution's python3-opencv, and librdi.so loaded beside
it. (pip's opencv-python carries a private copy of OpenCV that no plugin can reach.)

usage: classify.py MODEL PICTURE... [--library librdi.so]
"""

import argparse
import ctypes
import json
import os
import sys

import cv2
import numpy as np

EXIT_LAYER = "onnx_node!exit"


def give_up(message):
    sys.exit("classify.py: " + " ".join(message.split()))


def load_plugin(path):
    """Loading librdi.so is all there is to it: its layers register themselves with OpenCV."""
    candidates = [path] if path else [os.environ.get("RDI_LIBRARY"), "librdi.so"]
    for candidate in filter(None, candidates):
        try:
            return ctypes.CDLL(candidate)
        except OSError as error:
            reason = error
    give_up(f"cannot load librdi.so ({reason}); name it with --library")


def protobuf_fields(data):
    """(field number, bytes) of every length-delimited field of a protobuf message; skips all others."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                return value, at

    at = 0
    while at < len(data):
        key, at = varint(at)
        if key & 7 == 0:
            _, at = varint(at)
        elif key & 7 == 2:
            size, at = varint(at)
            yield key >> 3, data[at:at + size]
            at += size
        else:
            at += 8 if key & 7 == 1 else 4


def read_metadata(path):
    """The texts that an ONNX file carries in metadata_props (field 14: key in field 1, value in field 2)."""
    with open(path, "rb") as stream:
        model = stream.read()
    entries = (dict(protobuf_fields(value)) for number, value in protobuf_fields(model) if number == 14)
    return {entry[1].decode(): entry.get(2, b"").decode() for entry in entries}


def blob_from_image(image, preprocessing):
    if preprocessing["channels"] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    size = (preprocessing["width"], preprocessing["height"])
    mean = preprocessing["mean"] or [0]
    return cv2.dnn.blobFromImage(image, preprocessing["scale"], size, mean, preprocessing["swap_rb"], crop=False)


def probabilities(scores):
    if scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3:
        return scores
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def main():
    parser = argparse.ArgumentParser(description="Classifies pictures with an early-exit net.")
    parser.add_argument("model", help="early-exit ONNX file")
    parser.add_argument("pictures", nargs="+")
    parser.add_argument("--library", help="librdi.so (default: $RDI_LIBRARY, then the loader's path)")
    arguments = parser.parse_args()
    cv2.setLogLevel(0)  # it also logs what it throws

    if not os.path.isfile(arguments.model):
        give_up(f"{arguments.model}: there is no such file")
    load_plugin(arguments.library)
    try:
        net = cv2.dnn.readNet(arguments.model)
        metadata = read_metadata(arguments.model)
        preprocessing = json.loads(metadata["rdi.preprocessing"])
        costs = json.loads(metadata["rdi.cost"])
    except (cv2.error, KeyError, IndexError, ValueError) as error:
        reason = getattr(error, "err", None) or f"missing or damaged metadata: {error!r}"
        give_up(f"{arguments.model}: not an early-exit net that can be loaded ({reason})")
    class_names = json.loads(metadata.get("rdi.class_names", "[]"))
    full_cost = costs[-1]["own_conv"] + costs[-1]["own_linear"]

    paid, unreadable = [], 0
    print(f"{'file':<32} {'class':<18} {'confidence':>10}  {'exit':<8} {'running saving':>14}")
    for path in arguments.pictures:
        image = cv2.imread(path) if os.path.isfile(path) else None
        if image is None:
            print(f"{path}: not a picture that OpenCV can read", file=sys.stderr)
            unreadable += 1
            continue
        net.setInput(blob_from_image(image, preprocessing))
        scores, taken = net.forward(["scores", EXIT_LAYER])
        answer = probabilities(scores[0])
        best, exit_cost = int(answer.argmax()), costs[int(taken[0, 0])]
        paid.append(exit_cost["paid_conv"] + exit_cost["paid_linear"])
        name = class_names[best] if best < len(class_names) else str(best)
        saving = 1 - np.mean(paid) / full_cost
        print(f"{path:<32} {name:<18} {100 * answer[best]:8.1f} %  {exit_cost['exit']:<8} {100 * saving:12.1f} %")
    sys.exit(1 if unreadable else 0)


if __name__ == "__main__":
    main()

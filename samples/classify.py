#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Classifies pictures with an early-exit net from Python: the distribution's python3-opencv, and librdi.so loaded beside
it. (pip's opencv-python carries a private copy of OpenCV that no plugin can reach.)

usage: classify.py MODEL PICTURE... [--library librdi.so] [--operating-point NAME]
"""

import argparse
import ctypes
import json
import os
import sys

import cv2
import numpy as np

EXIT_LAYER = "onnx_node!exit"
GATE = "onnx_node!gate_"  # and the exit's name; the main exit has none


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


def protobuf_fields(data, wanted):
    """The values (numbers or bytes) that a protobuf message holds under the field number `wanted`, in order."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 0x80:
                return value, at

    at, values = 0, []
    while at < len(data):
        key, at = varint(at)
        value = None
        if key & 7 == 0:
            value, at = varint(at)
        elif key & 7 == 2:
            size, at = varint(at)
            value, at = data[at:at + size], at + size
        else:
            at += 8 if key & 7 == 1 else 4
        if key >> 3 == wanted:
            values.append(value)
    return values


def input_shape(model):
    """(channels, height, width) of the graph's input (ModelProto.graph = 7, GraphProto.input = 11)."""
    graph = protobuf_fields(model, 7)[0]
    weights = [protobuf_fields(tensor, 8) for tensor in protobuf_fields(graph, 5)]
    described = next(value for value in protobuf_fields(graph, 11) if protobuf_fields(value, 1) not in weights)
    for number in (2, 1, 2):  # type, tensor_type, shape
        described = protobuf_fields(described, number)[0]
    channels, height, width = (protobuf_fields(dim, 1)[0] for dim in protobuf_fields(described, 1)[1:])
    return channels, height, width


class Model:
    """What an ONNX file says about itself in metadata_props (field 14: key in field 1, value in field 2). All of it
    may be absent; what is there and damaged raises ValueError."""

    def __init__(self, path, exit_names):
        with open(path, "rb") as stream:
            model = stream.read()
        try:
            self.channels, self.height, self.width = input_shape(model)
            entries = [(protobuf_fields(entry, 1), protobuf_fields(entry, 2)) for entry in protobuf_fields(model, 14)]
            self.texts = {key[0].decode(): value[0].decode() if value else "" for key, value in entries}
        except (AttributeError, IndexError, StopIteration, TypeError, ValueError) as error:
            raise ValueError(f"its input or metadata cannot be read: {error!r}") from error
        self.class_names = self.read("rdi.class_names", [], lambda names: [str(name) for name in names])
        self.scale, self.mean, self.swap_rb = self.read("rdi.preprocessing", {}, self.preprocessing)
        self.costs = self.read("rdi.cost", None, lambda costs: self.cost_table(costs, len(exit_names)))
        self.exit_names = exit_names
        self.rule = self.read("rdi.rule", {}, dict)
        self.points = self.read("rdi.operating_points", {}, dict)

    def read(self, key, fallback, convert):
        try:
            value = json.loads(self.texts[key]) if key in self.texts else fallback
            if fallback is not None and not isinstance(value, type(fallback)):
                raise ValueError(f"expected a {type(fallback).__name__}")
            return convert(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"metadata '{key}' cannot be read: {error!r}") from error

    def preprocessing(self, given):
        mean = [float(value) for value in given.get("mean", [])]
        if len(mean) > self.channels:
            raise ValueError(f"{len(mean)} means for {self.channels} channels")
        return float(given.get("scale", 1 / 255)), mean or [0], bool(given.get("swap_rb", False))

    @staticmethod
    def cost_table(costs, exits):
        """What each exit costs in units of the static net; None when the file does not say."""
        if costs is None:
            return None
        if not isinstance(costs, list) or len(costs) != exits:
            raise ValueError(f"expected a list of {exits} exits")
        full = costs[-1]["own_conv"] + costs[-1]["own_linear"]
        if not full > 0:
            raise ValueError("the whole net costs nothing")
        return [(cost["paid_conv"] + cost["paid_linear"]) / full for cost in costs]

    def thresholds(self, point):
        """Those of an operating point. setParam can replace thresholds, but no other part of the rule."""
        if point not in self.points:
            raise ValueError(f"it has no operating point {point!r}; it has {', '.join(sorted(self.points)) or 'none'}")
        other = [part for part in ("criterion", "fusion", "patience") if self.points[point][part] != self.rule[part]]
        if other:
            raise ValueError(f"operating point {point!r} has another {other[0]}, which Python cannot set in a loaded net;"
                             f" make a file that answers by it: rdi-convert --operating-point {point}")
        return [float(threshold) for threshold in self.points[point]["thresholds"]]

    def blob(self, image):
        if self.channels == 1:
            image = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        return cv2.dnn.blobFromImage(image, self.scale, (self.width, self.height), self.mean, self.swap_rb, crop=False)


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
    parser.add_argument("--operating-point", help="the exit rule of this name in the model, e.g. careful")
    arguments = parser.parse_args()
    cv2.setLogLevel(0)  # it also logs what it throws

    if not os.path.isfile(arguments.model):
        give_up(f"{arguments.model}: there is no such file")
    load_plugin(arguments.library)
    try:
        net = cv2.dnn.readNet(arguments.model)
        if EXIT_LAYER not in net.getLayerNames():
            raise ValueError("it has no exits")
        gates = [name[len(GATE):] for name in net.getLayerNames() if name.startswith(GATE)]
        model = Model(arguments.model, gates + ["main"])
    except (cv2.error, ValueError) as error:
        give_up(f"{arguments.model}: not an early-exit net that can be loaded ({getattr(error, 'err', None) or error})")
    if arguments.operating_point:
        try:
            for gate, threshold in zip(gates, model.thresholds(arguments.operating_point)):
                net.setParam(GATE + gate, 0, np.full((1, 1), threshold, np.float32))
        except (KeyError, TypeError, ValueError) as error:
            give_up(f"{arguments.model}: {error}")

    paid, unreadable = [], 0
    saving_title = f" {'running saving':>14}" if model.costs else ""
    print(f"{'file':<32} {'class':<18} {'confidence':>10}  {'exit':<8}{saving_title}")
    for path in arguments.pictures:
        image = cv2.imread(path) if os.path.isfile(path) else None
        if image is None:
            print(f"{path}: not a picture that OpenCV can read", file=sys.stderr)
            unreadable += 1
            continue
        try:
            net.setInput(model.blob(image))
            scores, taken = net.forward(["scores", EXIT_LAYER])
        except cv2.error as error:
            give_up(f"{arguments.model}: cannot classify {path}: {error.err or error}")
        answer, exit_index = probabilities(scores[0]), int(taken[0, 0])
        best = int(answer.argmax())
        name = model.class_names[best] if best < len(model.class_names) else str(best)
        saving = ""
        if model.costs:
            paid.append(model.costs[exit_index])
            saving = f" {100 * (1 - np.mean(paid)):12.1f} %"
        print(f"{path:<32} {name:<18} {100 * answer[best]:8.1f} %  {model.exit_names[exit_index]:<8}{saving}")
    sys.exit(1 if unreadable else 0)


if __name__ == "__main__":
    main()

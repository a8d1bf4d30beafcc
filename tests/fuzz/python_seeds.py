#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""python_seeds.py FOLDER: more seeds for the fuzzers of the readers, made by Python's own pickler and zip writer."""

import argparse
import collections
import os
import pickle
import struct
import sys
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "converters"))
from torch_save import FloatStorage, Parameter, Tensor, save_legacy, save_safetensors, save_zip


def main():
    folder = sys.argv[1]
    storages = [FloatStorage(str(i), struct.pack("<6f", *range(i, i + 6))) for i in range(3)]
    state = collections.OrderedDict((f"module.conv{i}.weight", Tensor(storage, (2, 3))) for i, storage in enumerate(storages))
    checkpoint = {
        "epoch": 3, "loss": 0.25, "args": argparse.Namespace(lr=0.1, sizes=(1, 2)), "seen": {1, 2},
        "optimizer": {"state": {0: {"momentum": state["module.conv0.weight"]}}, "param_groups": [{"params": [0, 1]}]},
        "state_dict": collections.OrderedDict((name, Parameter(tensor)) for name, tensor in state.items()),
    }  # fmt: skip

    def write(target, name, contents):
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        with open(os.path.join(folder, target, f"python-{name}"), "wb") as stream:
            stream.write(contents)

    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        for kind, value in (("state", state), ("checkpoint", checkpoint)):
            write("torch_legacy", f"{kind}-{protocol}", save_legacy(value, storages, protocol))
            write("torch_zip", f"{kind}-{protocol}", save_zip(value, storages, protocol))
            write("torch_zip", f"{kind}-{protocol}-deflated", save_zip(value, storages, protocol, zipfile.ZIP_DEFLATED))
    write("safetensors", "state", save_safetensors(state))
    write("weights", "zip", save_zip(checkpoint, storages, zip64=True))
    write("weights", "legacy", save_legacy(checkpoint, storages))
    return 0


if __name__ == "__main__":
    sys.exit(main())

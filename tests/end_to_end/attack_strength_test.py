#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""attack_strength_test.py RDI_CONVERT RDI_EVALUATE DATA [IMAGES]: attacks the publication's checkpoint with rdi-evaluate.

An independent evaluator attacked it too; on the first IMAGES test pictures of CIFAR-10 (default 100) our attacks must find about what
that one found: an attack that has become weaker than it was is a defect that nothing else shows. RDI_DATA in the environment
replaces DATA. Exit code 77 where the data is not there."""

import json
import os
import subprocess
import sys
import tempfile

THRESHOLDS = ".2642,.3698,.3614,.7664,1.0351,1.3061"
SKIPPED = 77

# Row -> accuracy in % that the independent evaluator left on 1,000 pictures.
ACCURACY = {"pgd average": 42.7, "pgd soft-routed": 29.1}
SLOWDOWN_MI = 87.46  # paid cost under the hinge attack, millions (2^20) of convolution MACs
STATIC_MI = 79.42


def main():
    convert, evaluate, data = sys.argv[1:4]
    images = int(sys.argv[4]) if len(sys.argv) > 4 else 100
    data = os.environ.get("RDI_DATA", data)
    checkpoint = os.path.join(data, "triple-wins", "checkpoint_60000.pth.tar")
    unpack = os.path.join(data, "cifar10", "unpack_cifar10.py")
    if not os.path.exists(checkpoint) or not os.path.exists(unpack):
        print(f"skipped: {checkpoint} or {unpack} is not there; RDI_DATA names the folder of the data")
        return SKIPPED
    # Two standard errors of a share on so many pictures.
    room = 200 * (0.3 * 0.7 / images) ** 0.5
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-B", unpack, os.path.join(data, "cifar10"), folder], check=True,
                       stdout=subprocess.DEVNULL)
        model, results = os.path.join(folder, "model.onnx"), os.path.join(folder, "results.json")
        subprocess.run([convert, checkpoint, "--arch", "rdi-resnet38", "-o", model], check=True)
        subprocess.run([evaluate, model, "--data", "cifar10:" + folder, "--thresholds", THRESHOLDS, "--attack", "pgd",
                        "--attack-loss", "average,soft-routed,slowdown-hinge", "--limit", str(images), "--threads", "1",
                        "--json", results], check=True)
        with open(results, encoding="utf-8") as stream:
            rows = {row["name"]: row for row in json.load(stream)["rows"]}
    for name, expected in ACCURACY.items():
        found = 100 * rows[name]["accuracy"]
        assert abs(found - expected) < room, f"{name}: found {found:.1f} %, expected {expected} +- {room:.1f}"
    cost = rows["pgd slowdown-hinge"]["paid_mi"]
    assert cost > SLOWDOWN_MI - 2.5, f"slowdown: found {cost:.2f} Mi, expected about {SLOWDOWN_MI}"
    assert cost > STATIC_MI > rows["clean"]["paid_mi"], "slowdown costs more than the static net, clean less"
    return 0


if __name__ == "__main__":
    sys.exit(main())

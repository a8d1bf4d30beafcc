# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Reads what the benchmark programs write."""

import json


class Row:
    """A measurement: milliseconds per picture (median, q1, q3) and the counters registered with it."""

    def __init__(self):
        self.times, self.counters = {}, {}

    median = property(lambda self: self.times["median"])


def read(path):
    """(context, {net: {row name: Row}}); raises OSError, ValueError or KeyError for anything else."""
    with open(path, encoding="utf-8") as stream:
        results = json.load(stream)
    nets = {}
    for entry in results["benchmarks"]:
        statistic = entry.get("aggregate_name")
        if statistic not in ("median", "q1", "q3"):
            continue
        net, _, name = entry["run_name"].removesuffix("/manual_time").partition("/")
        row = nets.setdefault(net, {}).setdefault(name, Row())
        row.times[statistic] = entry["real_time"] / entry["pictures"]
        if statistic == "median":
            own = ("cost", "p50_ms", "p99_ms", "layers_left_out", "heap_mb", "file_mb")
            row.counters = {key: value for key, value in entry.items() if key in own or key.startswith("share_")}
    # Interleaved repetitions are reported in a random order.
    return results["context"], {net: dict(sorted(rows.items(), key=order)) for net, rows in sorted(nets.items())}


def order(named_row):
    """Static nets first, the slowest of them at the top as it is what the others are compared with."""
    first = ["static/opencv", "static/rdi", "static/float32", "static/bf16", "static/int8", "static/onnxruntime",
             "static/bare_chain", "first_stage_and_branch_alone"]
    name = named_row[0]
    number = int(name.split("_")[1].split("/")[0]) if name.startswith("batch_") else 0
    return (first.index(name) if name in first else len(first), number, name)

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Prints the medians in a JSON file of rdi_benchmark as tables, one a net, with ratios to the static net in OpenCV.

usage: table.py RESULTS.json
"""

import json
import sys


def collect(benchmarks):
    """{net: {benchmark: {statistic: ms per picture}, counters}} in the order of the file."""
    nets = {}
    for entry in benchmarks:
        statistic = entry.get("aggregate_name")
        if statistic not in ("median", "q1", "q3"):
            continue
        net, _, name = entry["run_name"].removesuffix("/real_time").partition("/")
        row = nets.setdefault(net, {}).setdefault(name, {})
        row[statistic] = entry["real_time"] / entry["pictures"]
        if statistic == "median":
            row["cost"] = entry["cost"]
            row["shares"] = {key[6:]: value for key, value in entry.items() if key.startswith("share_")}
    return nets


def print_net(net, rows):
    # Interleaved repetitions are reported in a random order.
    order = ["static/opencv", "static/rdi", "early_exit", "first_stage_and_branch_alone"]
    rows = dict(sorted(rows.items(), key=lambda row: (order.index(row[0]) if row[0] in order else len(order), row[0])))
    baseline = rows.get("static/opencv", {}).get("median")
    print(f"\n{net}\n{'':<30} {'ms':>9} {'quartiles':>19} {'cost':>8} {'OpenCV static is':>18}")
    for name, row in rows.items():
        ratio = f"{baseline / row['median']:.2f} x as long" if baseline else "-"
        spread = f"{row['q1']:.4f} .. {row['q3']:.4f}"
        print(f"{name:<30} {row['median']:9.4f} {spread:>19} {100 * row['cost']:6.1f} % {ratio:>18}")
        if row["shares"]:
            print("  leave: " + ", ".join(f"{exit} {100 * share:.1f} %" for exit, share in row["shares"].items()))
    if {"forced/exit1", "first_stage_and_branch_alone"} <= rows.keys():
        ratio = rows["forced/exit1"]["median"] / rows["first_stage_and_branch_alone"]["median"]
        print(f"forward forced out at exit1 / first stage and branch alone: {ratio:.3f}")
    if {"static/opencv", "static/rdi"} <= rows.keys():
        print(f"static net, OpenCV's engine / ours: {baseline / rows['static/rdi']['median']:.2f}")


def main(arguments):
    if len(arguments) != 1:
        print("usage: table.py RESULTS.json", file=sys.stderr)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as stream:
            results = json.load(stream)
        nets = collect(results["benchmarks"])
    except (OSError, ValueError, KeyError) as error:
        print(f"table.py: {arguments[0]} is no result of rdi_benchmark: {error!r}", file=sys.stderr)
        return 1
    if not nets:
        print(f"table.py: {arguments[0]} holds no medians; run with --benchmark_repetitions of 2 or more", file=sys.stderr)
        return 1
    context = results["context"]
    print(", ".join(f"{key} {context[key]}" for key in ("threads", "oneDNN", "oneDNN ISA", "OpenCV") if key in context))
    print(f"batch 1; medians of interleaved repetitions; {context.get('num_cpus')} CPUs at {context.get('mhz_per_cpu')} MHz")
    print("cost: multiply-accumulates of trunk and every head on the way, relative to the static net")
    for net, rows in nets.items():
        print_net(net, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

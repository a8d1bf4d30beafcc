#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Prints the medians in a JSON file of a benchmark program as tables, one a net, with ratios to the static net in OpenCV.

usage: table.py RESULTS.json
"""

import sys

import results


def print_net(net, rows):
    baseline = rows.get("static/opencv")
    width = max(30, max(map(len, rows)) + 1)
    print(f"\n{net}\n{'':<{width}} {'ms':>9} {'quartiles':>19} {'cost':>8} {'OpenCV static is':>18}")
    for name, row in rows.items():
        against = baseline or rows.get(name.rpartition("/")[0] + "/opencv")
        ratio = f"{against.median / row.median:.2f} x as long" if against else "-"
        spread = f"{row.times['q1']:.4f} .. {row.times['q3']:.4f}"
        print(f"{name:<{width}} {row.median:9.4f} {spread:>19} {100 * row.counters['cost']:6.1f} % {ratio:>18}")
        print_details(row)
    print_ratios(rows)


def print_details(row):
    shares = {key[6:]: value for key, value in row.counters.items() if key.startswith("share_")}
    parts = [f"{exit} {100 * share:.1f} %" for exit, share in shares.items()]
    if parts:
        print("  leave: " + ", ".join(parts))
    if "p50_ms" in row.counters:
        print(f"  single pictures: p50 {row.counters['p50_ms']:.4f} ms, p99 {row.counters['p99_ms']:.4f} ms")
    if "heap_mb" in row.counters:
        print(f"  adds {row.counters['heap_mb']:.2f} MB to the heap; the file has {row.counters['file_mb']:.2f} MB")


def print_ratios(rows):
    def ratio(text, above, below):
        if above in rows and below in rows:
            print(f"{text}: {rows[above].median / rows[below].median:.3f}")

    ratio("static net, OpenCV's engine / ours", "static/opencv", "static/rdi")
    ratio("static net, ours / ONNX Runtime", "static/rdi", "static/onnxruntime")
    ratio("static net, ours / bare chain of convolutions", "static/rdi", "static/bare_chain")
    ratio("all exits passed / static net", "forced/main", "static/rdi")
    ratio("static net, bf16 / float32", "static/bf16", "static/float32")
    ratio("static net, int8 / float32", "static/int8", "static/float32")
    alone, left = rows.get("first_stage_and_branch_alone"), rows.get("forced/exit1")
    if alone and left:
        layers = alone.counters["layers_left_out"]
        print(f"forced out at exit1 / first stage and branch alone: {left.median / alone.median:.3f}; "
              f"{1e3 * (left.median - alone.median) / layers:.2f} us for each of {layers:.0f} layers that do nothing")
    for name, row in rows.items():
        if name.startswith("early_exit/") and "static/rdi" in rows:
            saved, cost = 1 - row.median / rows["static/rdi"].median, 1 - row.counters["cost"]
            print(f"{name}: saves {100 * saved:.1f} % of the time of our static net, {100 * cost:.1f} % of the paid cost; "
                  f"{saved / cost:.3f}")


def main(arguments):
    if len(arguments) != 1:
        print("usage: table.py RESULTS.json", file=sys.stderr)
        return 2
    try:
        context, nets = results.read(arguments[0])
    except (OSError, ValueError, KeyError) as error:
        print(f"table.py: {arguments[0]} is no result of a benchmark program: {error!r}", file=sys.stderr)
        return 1
    if not nets:
        print(f"table.py: {arguments[0]} holds no medians; run with --benchmark_repetitions of 2 or more", file=sys.stderr)
        return 1
    print(", ".join(f"{key} {context[key]}" for key in ("threads", "clock", "oneDNN", "oneDNN ISA", "OpenCV") if key in context))
    print(f"per picture; medians of interleaved repetitions; {context.get('num_cpus')} CPUs at {context.get('mhz_per_cpu')} MHz, "
          f"load {', '.join(f'{value:.1f}' for value in context.get('load_avg', []))}")
    print("cost: multiply-accumulates of trunk and every head on the way, relative to the static net")
    for net, rows in nets.items():
        print_net(net, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

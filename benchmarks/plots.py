#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Draws what run.sh measured, with gnuplot: static.png, exits.png, batch.png beside the JSON files that are there.

usage: plots.py FOLDER
"""

import os
import subprocess
import sys

import results

# Told apart by colour-blind people.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
HEAD = """set terminal pngcairo size 900,{height} font "sans,11"
set output "{output}"
set style line 11 lc rgb "#808080"
set border 3 ls 11
set tics nomirror
set grid y lc rgb "#d8d8d8" lt 1
set key top left Left reverse noenhanced
"""


def draw(output, script, height=480):
    subprocess.run(["gnuplot", "-d"], input=HEAD.format(output=output, height=height) + script, text=True, check=True)


def lines(series):
    """Plot commands for {title: [(x, y)]}."""
    data = "".join(f"$d{i} << EOD\n" + "".join(f"{x} {y}\n" for x, y in points) + "EOD\n"
                   for i, points in enumerate(series.values()))
    plots = ", ".join(f'$d{i} using 1:2 with linespoints pt 7 lw 2 lc rgb "{COLOURS[i % len(COLOURS)]}" title "{title}"'
                      for i, title in enumerate(series))
    return f"{data}plot {plots}\n"


def draw_static(nets, output):
    peers = [("static/opencv", "OpenCV's own engine"), ("static/onnxruntime", "ONNX Runtime"), ("static/rdi", "this engine"),
             ("static/bare_chain", "bare chain of convolutions")]
    names = [net for net, rows in nets.items() if "static/opencv" in rows]
    data = "$d << EOD\n" + "".join(
        " ".join([net] + [str(rows[peer].median / rows["static/opencv"].median) if peer in rows else "NaN" for peer, _ in peers])
        + "\n" for net, rows in nets.items() if net in names) + "EOD\n"
    plots = ", ".join(f'$d using {i + 2}:xtic(1) lc rgb "{COLOURS[i]}" title "{title}"' for i, (_, title) in enumerate(peers))
    draw(output, data + "set style data histograms\nset style fill solid\nset boxwidth 0.9\nset yrange [0:1.35]\n"
         "set xtics noenhanced\nset ylabel \"time, OpenCV's own engine = 1\"\nset title \"Static nets, full pass, batch 1\"\nplot "
         + plots + "\n")


def draw_exits(nets, output):
    panels = ""
    for net, rows in nets.items():
        series = {"this engine": [], "ONNX Runtime, nested If": []}
        for name, row in rows.items():
            if name.startswith("forced/"):
                peer = "ONNX Runtime, nested If" if name.endswith("/onnxruntime_if") else "this engine"
                series[peer].append((100 * row.counters["cost"], row.median))
        series = {f"{title}": sorted(points) for title, points in series.items() if points}
        series["our static net"] = [(100, rows["static/rdi"].median)]
        panels += (f'set title "{net}" noenhanced\nset xlabel "paid cost, % of the static net"\nset ylabel "ms a picture"\n'
                   f"set xrange [0:*]\nset yrange [0:*]\n{lines(series)}")
    draw(output, f"set multiplot layout {len(nets)},1\n{panels}unset multiplot\n", height=360 * len(nets))


def draw_batch(nets, output):
    panels = ""
    for net, rows in nets.items():
        titles = {"opencv": "OpenCV's own engine", "rdi": "this engine", "bare_chain": "bare convolutions, layer by layer"}
        series = {title: [] for title in titles.values()}
        for name, row in rows.items():
            batch, _, peer = name.removeprefix("batch_").partition("/")
            series[titles[peer]].append((int(batch), row.median))
        panels += (f'set title "{net}" noenhanced\nset xlabel "batch"\nset ylabel "ms a picture"\nset logscale x 2\n'
                   f"set yrange [0:*]\n{lines(series)}")
    draw(output, f"set multiplot layout {len(nets)},1\n{panels}unset multiplot\n", height=360 * len(nets))


def main(arguments):
    if len(arguments) != 1:
        print(__doc__.strip().splitlines()[-1], file=sys.stderr)
        return 2
    folder = arguments[0]
    for name, draw_one in (("static", draw_static), ("exits", draw_exits), ("batch", draw_batch)):
        source, output = os.path.join(folder, name + ".json"), os.path.join(folder, name + ".png")
        if not os.path.exists(source):
            continue
        try:
            draw_one(results.read(source)[1], output)
        except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
            print(f"plots.py: {output} is not drawn from {source}: {error!r}", file=sys.stderr)
            return 1
        print(f"drawn: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

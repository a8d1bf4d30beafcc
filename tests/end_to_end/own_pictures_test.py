#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""own_pictures_test.py README BIN [--full]: the README's commands for a folder of one's own pictures do what they say.

Makes a folder of real pictures from Debian's icon theme oxygen (package oxygen-icon-theme), a class a kind of icon, and
runs the commands of the README's section "Your own pictures" as they stand there, with BIN first in PATH; only the training
is made short, but with --full. Exit code 77 where the theme is not installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cv2

THEME, SIZE, SKIPPED = "/usr/share/icons/oxygen/base", "48x48", 77
KINDS = ["devices", "mimetypes", "places", "status"]
SHORT = ["--epochs", "3", "--validate-every", "20"]


def make_pictures(folder):
    """One folder a kind of icon. Links are other names of the same picture; those would be in training and test alike."""
    count = 0
    for kind in KINDS:
        os.makedirs(os.path.join(folder, kind))
        source = os.path.join(THEME, SIZE, kind)
        for name in sorted(os.listdir(source)):
            path = os.path.join(source, name)
            if name.endswith(".png") and not os.path.islink(path):
                # On white, as people see them: where an icon is transparent its colours are anything.
                picture = cv2.imread(path, cv2.IMREAD_UNCHANGED)
                if picture.ndim == 3 and picture.shape[2] == 4:
                    opaque = picture[:, :, 3:] / 255
                    picture = (picture[:, :, :3] * opaque + 255 * (1 - opaque)).round().astype("uint8")
                cv2.imwrite(os.path.join(folder, kind, name), picture)
                count += 1
    return count


def commands(readme):
    """The indented lines of the section, as lists of words."""
    with open(readme, encoding="utf-8") as stream:
        section = re.search(r"^#+ Your own pictures\n(.*?)^#", stream.read(), re.DOTALL | re.MULTILINE).group(1)
    return [line.split("#")[0].split() for line in section.splitlines() if line.startswith("    ")]


def run(words, folder, environment):
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    print("$", " ".join(words), "\n" + done.stdout, flush=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done


def main():
    readme, programs = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    is_full = "--full" in sys.argv[3:]
    if not os.path.isdir(os.path.join(THEME, SIZE)):
        print(f"skipped: {THEME} is not there; Debian: apt-get install oxygen-icon-theme")
        return SKIPPED
    environment = dict(os.environ, PATH=programs + os.pathsep + os.environ["PATH"], OMP_WAIT_POLICY="passive")
    with tempfile.TemporaryDirectory() as folder:
        print(make_pictures(os.path.join(folder, "PICTURES")), "pictures", flush=True)
        os.makedirs(os.path.join(folder, "trainer"))
        shutil.copytree(os.path.join(os.path.dirname(readme), "trainer", "recipes"), os.path.join(folder, "trainer", "recipes"))
        lines = commands(readme)
        assert [words[0] for words in lines] == ["rdi-train", "rdi-evaluate", "rdi-convert", "camera"], lines
        train, evaluate, convert, camera = lines
        run(train + ([] if is_full else SHORT), folder, environment)
        run(evaluate, folder, environment)
        run(convert, folder, environment)
        # In place of a camera and a window: the pictures themselves, one after the other, and frames as files.
        frames = os.path.join(folder, "frames")
        os.makedirs(frames)
        names = [(kind, name) for kind in KINDS for name in sorted(os.listdir(os.path.join(folder, "PICTURES", kind)))[:5]]
        for number, (kind, name) in enumerate(names):
            picture = cv2.imread(os.path.join(folder, "PICTURES", kind, name))
            cv2.imwrite(os.path.join(frames, f"{number:04}.png"), cv2.resize(picture, (480, 480), interpolation=cv2.INTER_CUBIC))
        run(camera + ["--source", os.path.join(frames, "%04d.png"), "--output", "shown-%04d.png"], folder, environment)
        shown = [name for name in os.listdir(folder) if name.startswith("shown-")]
        assert len(shown) == len(names), f"found {len(shown)} frames, expected {len(names)}"
        with open(os.path.join(folder, "out/mine/run.json"), encoding="utf-8") as stream:
            record = json.load(stream)
        assert record["data"]["classes"] == KINDS and record["end"]["outcome"] == "finished", record
        if is_full:
            kept = os.path.join(os.getcwd(), "own_pictures")
            shutil.copytree(folder, kept, dirs_exist_ok=True)
            print("all files:", kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Cuts what CIFAR-10 has a class for out of the pictures of Debian's opencv-doc: squares of a camera's picture, as a
detector in front of the classifier would give. File names in OUT begin with the class; FRAMES gets the same as %02d.png,
which OpenCV reads as a clip.

usage: cut_cifar10_objects.py FOLDER_OF_OPENCV_DOC OUT FRAMES
"""

import os
import sys

import cv2

# Class, picture, and the square around the object: left, top, side. Pictures of the same object are not used twice.
OBJECTS = [
    ("airplane", "aero_det.jpg", 130, 60, 280),
    ("automobile", "licenseplate_motion.jpg", 59, 0, 482),
    ("automobile", "meanshift_result.jpg", 105, 362, 122),
    ("automobile", "meanshift_result.jpg", 140, 592, 140),
    ("automobile", "motion_original.jpg", 243, 70, 270),
    ("cat", "Morphology_1_Tutorial_Original_Image.jpg", 90, 10, 200),
    ("cat", "cat_det.jpg", 0, 0, 416),
    ("dog", "Histogram_Equalization_Original_Image.jpg", 4, 50, 166),
    ("dog", "Pyramids_Tutorial_Original_Image.jpg", 0, 0, 296),
    ("dog", "Remap_Tutorial_Original_Image.jpg", 110, 2, 170),
]


def pictures_below(folder):
    found = {}
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            found.setdefault(name, os.path.join(place, name))
    return found


def main(folder, out, frames):
    pictures = pictures_below(folder)
    os.makedirs(out, exist_ok=True)
    os.makedirs(frames, exist_ok=True)
    for number, (name, file, left, top, side) in enumerate(OBJECTS):
        if file not in pictures:
            sys.exit(f"cut_cifar10_objects.py: {folder}: found no {file}, expected that of Debian's opencv-doc")
        picture = cv2.imread(pictures[file])
        if picture is None:
            sys.exit(f"cut_cifar10_objects.py: {pictures[file]}: cannot be read")
        square = picture[top:top + side, left:left + side]
        if square.shape[:2] != (side, side):
            sys.exit(f"cut_cifar10_objects.py: {file}: found {picture.shape[1]} x {picture.shape[0]} pixels, too few "
                     f"for the square at {left}, {top} of side {side}: another version of opencv-doc?")
        square = cv2.resize(square, (256, 256), interpolation=cv2.INTER_AREA)
        cv2.imwrite(os.path.join(out, f"{name}-{number:02}.png"), square)
        cv2.imwrite(os.path.join(frames, f"{number:02}.png"), square)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    main(*sys.argv[1:])

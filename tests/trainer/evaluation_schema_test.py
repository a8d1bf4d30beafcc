#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: the rdi authors
"""Checks docs/evaluation.schema.json against what the trainer writes. Needs python3-jsonschema; skips without it.

usage: evaluation_schema_test.py WRITE_SAMPLES SCHEMA
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

PROGRAM, SCHEMA = (sys.argv.pop(1), sys.argv.pop(1)) if len(sys.argv) > 2 else (None, None)


@unittest.skipIf(jsonschema is None, "python3-jsonschema is not installed")
class EvaluationSchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(SCHEMA, encoding="utf-8") as stream:
            cls.schema = json.load(stream)
        cls.samples = {}
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([PROGRAM, folder], check=True)
            for name in os.listdir(folder):
                with open(os.path.join(folder, name), encoding="utf-8") as stream:
                    cls.samples[name] = json.load(stream)

    def valid(self, value):
        return jsonschema.Draft7Validator(self.schema).is_valid(value)

    def test_schema_is_one(self):
        jsonschema.Draft7Validator.check_schema(self.schema)

    def test_what_is_written_fits(self):
        self.assertEqual(sorted(self.samples), ["multi-exit.json", "single-exit.json"])
        for value in self.samples.values():
            jsonschema.Draft7Validator(self.schema).validate(value)

    def test_every_missing_or_unknown_member_is_found(self):
        good = self.samples["multi-exit.json"]
        places = [(), ("rule",), ("exits", 0), ("balls", 0), ("rows", 1), ("rows", 1, "per_image"), ("summary", "union"),
                  ("summary", "slowdown"), ("pictures", 0), ("pictures", 0, "views", 0)]
        for place in places:
            members = good
            for step in place:
                members = members[step]
            for name in list(members) + [None]:
                bad = copy.deepcopy(good)
                inner = bad
                for step in place:
                    inner = inner[step]
                if name is None:
                    inner["surprise"] = 1
                else:
                    del inner[name]
                self.assertFalse(self.valid(bad), (place, name))

    def test_wrong_values_are_found(self):
        for place, value in [(("version",), 2), (("rows", 0, "accuracy"), 84.8), (("rows", 0, "family"), "magic"),
                             (("rows", 0, "seconds"), "long"), (("rule", "thresholds", 0), None),
                             (("rows", 0, "per_image", "right"), "012")]:
            bad = copy.deepcopy(self.samples["multi-exit.json"])
            inner = bad
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = value
            self.assertFalse(self.valid(bad), place)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""Tests of the harness itself, with what the real programs were seen to print."""

import io
import pathlib
import random
import tempfile
import types
import unittest
from unittest import mock

import clustered_test
import conformance
import smbtorture
import suites
import volatile_disk

OUTPUT = """smbtorture 4.17.12-Debian
Using seed 1795298479
progress: 3
test: complex
time: 2026-11-21 22:01:19.103222
failure: complex [
../../source4/torture/smb2/getinfo.c:766: status was NT_STATUS_INVALID_PARAMETER, expected NT_STATUS_OK: setup complex file testsmb2_file.dat
]
test: Testing wide-a
success: Testing wide-a
test: file-index
skip: file-index [
no file index
]
"""


class Parse(unittest.TestCase):
    def test_outcomes_and_reasons(self):
        self.assertEqual(smbtorture.parse(OUTPUT), [
            ("complex", "fail", "source4/torture/smb2/getinfo.c:766: status was NT_STATUS_INVALID_PARAMETER, expected NT_STATUS_OK: setup complex file testsmb2_file.dat"),
            ("Testing wide-a", "pass", ""),
            ("file-index", "skip", "no file index")])

    def test_no_result(self):
        self.assertEqual(smbtorture.parse("Failed to connect to SMB2 share - NT_STATUS_LOGON_FAILURE\n"), [])

    def test_conf(self):
        self.assertEqual(suites.parse_conf("# c\n[global]\n  a b = c = d\n\n[share]\nread only = no\n"),
                         {"global": {"a b": "c = d"}, "share": {"read only": "no"}})


class Hold(unittest.TestCase):
    def test_a_pass_that_must_be(self):
        self.assertIsNone(conformance.hold(smbtorture.Result("t", "pass"), None))
        for outcome in ("fail", "skip", "hang"):
            self.assertIn("must pass", conformance.hold(smbtorture.Result("t", outcome), None))

    def test_an_expected_failure(self):
        self.assertIsNone(conformance.hold(smbtorture.Result("t", "fail"), "needs oplocks"))
        self.assertIn("listed as failing", conformance.hold(smbtorture.Result("t", "pass"), "needs oplocks"))


class Sample(unittest.TestCase):
    def test_every_test_has_its_turn_and_quick_ones_are_always_run(self):
        every = suites.Suite.all()
        long = {(test, suite.name) for suite in every for test, seconds in suite.seconds().items() if seconds >= conformance.TOO_LONG}
        left_out = [conformance.sample(every, number) for number in range(conformance.SAMPLE)]
        self.assertTrue(all(names < long for names in left_out))
        self.assertEqual(set.intersection(*left_out), set())

    def test_of_three_commits_one_runs_a_suite_on_one_node_and_another_over_nodes(self):
        for number in (500, 501):
            of_three = [clustered_test.sample(False, number + later) for later in range(3)]
            self.assertEqual(sorted(sum(of_three, [])), sorted(clustered_test.SUITES))
            self.assertEqual(clustered_test.sample(True, number), of_three[1])


class Races(unittest.TestCase):
    def tries(self, test, *outcomes):
        """What a suite of which `racing` races makes of these outcomes, and how many it looked at."""
        suite = suites.Suite("smb2.notify")
        suite.record = {"races": {"racing": "two connections"}}
        with mock.patch.object(suite, "try_one", side_effect=[smbtorture.Result(test, outcome) for outcome in outcomes]) as tried:
            return suite.run_one(None, test, 0, None).outcome, tried.call_count

    def test_one_pass_in_several_tries_is_enough_for_a_test_that_races(self):
        self.assertEqual(self.tries("racing", "hang", "pass", "pass"), ("pass", 2))
        self.assertEqual(self.tries("racing", *["hang"] * suites.RACES), ("hang", suites.RACES))

    def test_others_have_one_try(self):
        self.assertEqual(self.tries("other", "hang", "pass"), ("hang", 1))


class Files(unittest.TestCase):
    def test_a_new_pass_changes_its_line_and_no_other(self):
        with tempfile.TemporaryDirectory() as directory, mock.patch.object(conformance, "ATOLL", pathlib.Path(directory)):
            path = pathlib.Path(directory, "s.txt")
            path.write_text("# head\npass s.a\nfail s.b: no: locks\nfail s.bc: none\n")
            conformance.update(types.SimpleNamespace(name="s"), {"s.b"})
            self.assertEqual(path.read_text(), "# head\npass s.a\npass s.b\nfail s.bc: none\n")

    def test_every_pass_of_debian_is_listed_for_ours(self):
        for suite in suites.Suite.all():
            expected = suites.read_expectations(suite.name)
            self.assertEqual([test for test in suite.passes_on_debian() if test not in expected], [], suite.name)


class PowerCut(unittest.TestCase):
    """What a disk holds after writes A, flush, B, C, of which each is two sectors, and the second C."""
    LOG = [(0, b"A" * 1024, 0), (0, b"", volatile_disk.FLUSH), (2, b"B" * 1024, 0), (0, b"C" * 1024, 0)]

    def after(self, log, chance):
        entries = b"".join(volatile_disk.ENTRY.pack(sector, len(data) // 512, flags, len(data)).ljust(512, b"\0") + data for sector, data, flags in log)
        image = io.BytesIO(b"." * 2048)
        counts = volatile_disk.replay(volatile_disk.SUPER.pack(volatile_disk.MAGIC, volatile_disk.VERSION, len(log), 512).ljust(512, b"\0") + entries, image, chance,
                                      random.Random(1))
        return image.getvalue()[::512].decode(), counts

    def test_what_was_flushed_stays_and_the_rest_goes(self):
        self.assertEqual(self.after(self.LOG, 0), ("AA..", (2, 4)))

    def test_what_was_not_flushed_may_stay(self):
        self.assertEqual(self.after(self.LOG, 1), ("CCBB", (2, 0)))

    def test_each_sector_by_itself(self):
        found, (_, lost) = self.after([*self.LOG[:2], (0, b"".join(bytes([97 + n]) * 512 for n in range(4)), 0)], 0.5)
        self.assertEqual(sum(one in "abcd" for one in found), 4 - lost)
        self.assertIn(lost, (1, 2, 3))

    def test_without_a_flush_nothing_is_promised(self):
        self.assertEqual(self.after([self.LOG[0]], 0), ("....", (0, 2)))

    def test_no_log_of_writes(self):
        with self.assertRaises(volatile_disk.HarnessError):
            list(volatile_disk.logged_writes(bytes(512)))


if __name__ == "__main__":
    unittest.main()

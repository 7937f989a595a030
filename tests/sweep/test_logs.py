"""Every damaged line of a log shows, and costs no other one."""

import json

import pytest
from helpers import flipped

from jaxmlp.run.identity import Identity
from jaxmlp.sweep import logs

RUN = Identity.of({"seed": 1}, "")
ROWS = [{"trial": i, "loss": i / 3, "name": 'ü, "crc32": "0'} for i in range(3)]


def read(path):
    log = logs.read(path, RUN)
    return log.rows(), log.damaged


def test_what_is_written_is_read(tmp_path):
    logs.write(tmp_path / "log", ROWS, RUN)
    assert read(tmp_path / "log") == (ROWS, [])
    assert read(tmp_path / "none") == ([], [])


@pytest.mark.parametrize("change", [0x01, 0x10, 0xFF])
def test_every_flipped_byte_costs_its_own_line(tmp_path, change):
    logs.write(tmp_path / "log", ROWS, RUN)
    content = (tmp_path / "log").read_bytes()
    for position in range(content.rindex(b"\n", 0, -1)):
        (tmp_path / "log").write_bytes(flipped(content, position, change))
        rows, damaged = read(tmp_path / "log")
        line = content[:position].count(b"\n")
        kept = [row for row in ROWS if row["trial"] not in (line, line + (content[position : position + 1] == b"\n"))]
        assert rows == kept
        assert damaged


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_line_that_was_begun_is_none(tmp_path, cut):
    logs.write(tmp_path / "log", ROWS, RUN)
    (tmp_path / "log").write_bytes((tmp_path / "log").read_bytes()[:-cut])
    assert read(tmp_path / "log") == (ROWS[:2], [3])


def test_logs_without_checks_are_taken_on_trust(tmp_path):
    (tmp_path / "log").write_text("".join(json.dumps({"trial": i}) + "\n" for i in range(3)) + "[")
    assert read(tmp_path / "log") == ([{"trial": i} for i in range(3)], [4])


def test_the_lines_of_another_run_are_no_lines(tmp_path):
    logs.write(tmp_path / "log", ROWS, Identity.of({"seed": 2}, ""))
    assert read(tmp_path / "log") == ([], [1, 2, 3])

"""Test every reader with damaged files: one sentence, no crash, no hang. ``python -m tests.tools.mutations`` runs many more."""

import os

import numpy as np
import pytest

from tests.support.mutate import READERS, Outcome, mutate, run_mutations, with_checksum

pytestmark = [
    pytest.mark.usefixtures("small"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_a_sentence(tmp_path, capfd, name):
    outcomes, count = [], 8 if name in ("index", "checkpoint") else 21
    faults = run_mutations(name, count, 1, tmp_path, lambda number, source, outcome: outcomes.append(outcome))
    assert faults == []
    assert len(outcomes) == count
    assert {outcome.status for outcome in outcomes} >= {2}, "no file was damaged enough to be refused"


def test_mutations_are_reproducible_and_change_the_file():
    content = bytes(range(256)) * 4
    changed = [mutate(content, np.random.default_rng([n])) for n in range(200)]
    assert changed == [mutate(content, np.random.default_rng([n])) for n in range(200)]
    assert sum(data == content for data in changed) < 10
    assert len(set(changed)) > 180


def test_the_checksum_of_a_png_header_is_corrected(tmp_path):
    from PIL import Image

    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[18:20] = b"\x01\x00"  # 256 columns
    (tmp_path / "a.png").write_bytes(with_checksum(bytes(content)))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (256, 8)


@pytest.mark.parametrize(
    "changes",
    [{"status": 1}, {"status": -11}, {"said": ["a"] * 4}, {"said": ["Traceback"]}, {"seconds": 61}, {"megabytes": 4001}, {"left": ["out"]}],
    ids=str,
)
def test_each_kind_of_fault_is_found(changes):
    good = {"status": 2, "said": ["tinytrack: no"], "seconds": 1, "megabytes": 300, "left": []}
    assert Outcome(**good).faults() == []
    assert len(Outcome(**good | changes).faults()) == 1

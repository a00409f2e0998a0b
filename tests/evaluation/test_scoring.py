"""Evaluation: right answers score 1, wrong ones low and missing ones 0. Stopped runs resume, and scores agree with real data."""

import errno
import json
import re
import shutil
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.helpers import assert_one_sentence
from tinytrack import __main__ as program
from tinytrack import propagate
from tinytrack.cli.parser import DATASETS
from tinytrack.color import Palette, frames_to_lab
from tinytrack.datasets.synth import moving_shapes
from tinytrack.datasets.truth import Truth, open_dataset
from tinytrack.errors import MaskError, OutputError, TinytrackError
from tinytrack.evaluation import methods
from tinytrack.evaluation import scoring as module
from tinytrack.evaluation.baselines import identity
from tinytrack.evaluation.methods import Method, find_method, model_method, run_name
from tinytrack.evaluation.metrics import region_j
from tinytrack.evaluation.scoring import evaluate, read_results, score_joints, score_masks, summarize
from tinytrack.io.masks import davis_palette, write_mask
from tinytrack.io.results import LIST, read_list, results_folder
from tinytrack.model import random_model
from tinytrack.propagate import MODERN

H, W, FRAMES = 48, 64, 6
QUICK = replace(MODERN, size=H, radius=3)
IDENTITY = find_method(None, "identity", QUICK)


def write_davis(root, year=2016, objects=(1, 2), gray=False):
    """Write a tree in the layout of DAVIS with sequences "one", "two" and "three", where ``objects`` lists their object counts."""
    names = ["one", "two", "three"][: len(objects)]
    for name, count in zip(names, objects, strict=True):
        scene = moving_shapes(count + 10, FRAMES, H, W, count)
        pictures, masks = root / "JPEGImages" / "480p" / name, root / "Annotations" / "480p" / name
        pictures.mkdir(parents=True), masks.mkdir(parents=True)
        assert set(np.unique(scene.masks[0])) == set(range(count + 1))
        for t in range(FRAMES):
            frame = Image.fromarray(scene.frames[t])
            (frame.convert("L") if gray else frame).save(pictures / f"{t:05d}.jpg", quality=95)
            if year == 2017:
                write_mask(masks / f"{t:05d}.png", scene.masks[t])
            else:
                Image.fromarray((scene.masks[t] > 0).astype(np.uint8) * 255).save(masks / f"{t:05d}.png")
    lists = root / "ImageSets" / str(year)
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("\n".join(names))
    return root


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    return {year: write_davis(tmp_path_factory.mktemp(f"davis{year}"), year) for year in (2016, 2017)}


def davis(trees, year=2016, **options):
    return open_dataset("davis", trees[year], year=year, **options)


def synth():
    return open_dataset("synth", sequences=["seed0"])


def nothing_unfinished(folder):
    return not [p for p in folder.rglob("*") if "unfinished" in p.name or p.name.endswith(".old")]


def without_time(results):
    """The results without the timings, which depend on the machine."""
    clean = json.loads(json.dumps(results))
    for record in (clean["summary"], *clean["sequences"].values()):
        del record["seconds_per_frame"]
    return clean


# ------------------------------------------------------------------------------------------------------- files of a run


@pytest.mark.parametrize("year", [2016, 2017])
def test_a_run_writes_a_table_and_masks_in_the_davis_layout(trees, tmp_path, device, year):
    method = model_method("blank", random_model(device=device), QUICK)
    results = evaluate(method, davis(trees, year), tmp_path / "out", progress=False)
    out = tmp_path / "out"
    files = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert files == {LIST, "results.json", "table.txt"} | {f"masks/{name}/{t:05d}.png" for name in ("one", "two") for t in range(FRAMES)}
    truth = {t.name: t for t in davis(trees, year).truths}
    for name in truth:
        for t in range(FRAMES):
            with Image.open(out / "masks" / name / f"{t:05d}.png") as picture:
                assert picture.mode == "P"
                assert picture.size == (W, H)
                assert np.array_equal(np.array(picture.getpalette()).reshape(-1, 3), davis_palette())
                ids = np.array(picture)
            assert set(np.unique(ids)) <= set(np.unique(truth[name].masks[0]()))
            assert t or np.array_equal(ids, truth[name].masks[0]())
    assert json.loads((out / "results.json").read_text()) == results == read_results(out / "results.json")
    assert results["format"] == "tinytrack results 1"
    assert results["dataset"] == {"name": "davis", "year": year, "split": "val", "sequences": ["one", "two"]}
    assert results["method"]["model"]["fingerprint"] == method.model.fingerprint()
    assert results["method"]["protocol"] == "modern"
    assert results["method"]["settings"]["radius"] == 3
    assert {"python", "torch", "tinytrack"} <= set(results["versions"])
    text = (out / "table.txt").read_text()
    assert re.search(r"^mean +%.1f" % (100 * results["summary"]["J"]), text, re.M)
    assert method.model.fingerprint() in text
    assert "unfinished" not in text


def test_first_and_last_frame_are_not_scored_and_the_mean_is_over_objects(trees, tmp_path):
    for year, objects in ((2016, {"one": ["1"], "two": ["1"]}), (2017, {"one": ["1"], "two": ["1", "2"]})):
        results = evaluate(IDENTITY, davis(trees, year), tmp_path / str(year), progress=False)
        truth = {t.name: t for t in davis(trees, year).truths}
        means = []
        for name, record in results["sequences"].items():
            assert record["scored"] == [1, 2, 3, 4]
            assert record["frames"] == FRAMES
            assert record["size"] == [H, W]
            assert list(record["objects"]) == objects[name]
            first = truth[name].masks[0]()
            for n, scores in record["objects"].items():
                by_hand = [region_j(first == int(n), truth[name].masks[t]() == int(n)) for t in (1, 2, 3, 4)]
                assert scores["J"] == pytest.approx(by_hand, abs=1e-4)
                assert len(scores["F"]) == 4
                means.append(np.mean(by_hand))
        summary = results["summary"]
        assert summary["videos"] == 2
        assert summary["objects"] == len(means)
        assert summary["J"] == pytest.approx(np.mean(means), abs=2e-4)
        assert summary["J&F"] == pytest.approx((summary["J"] + summary["F"]) / 2, abs=1e-4)


def test_a_summary_by_hand():
    """Two videos with three objects: scores are averaged over objects and seconds over frames, and missing values are skipped."""
    one = {"objects": {"1": {"J": [1, 1], "F": [0.6, 0.4]}}, "frames": 10, "seconds_per_frame": 1.0, "color_error": [float("nan")] * 2}
    two = {
        "objects": {"1": {"J": [0, 0], "F": [0, 0]}, "2": {"J": [0.5, 0.7], "F": [1, 1]}},
        "frames": 30,
        "seconds_per_frame": 2.0,
        "color_error": [1.0, float("nan")],
    }
    summary = summarize([one, two])
    assert summary["J"] == pytest.approx(1.6 / 3, abs=1e-4)
    assert summary["F"] == 0.5
    assert summary["objects"] == 3
    assert summary["J_recall"] == pytest.approx(1.5 / 3)
    assert summary["F_recall"] == pytest.approx(1.5 / 3)
    assert summary["J_decay"] == pytest.approx(-0.2 / 3, abs=1e-4)
    assert summary["seconds_per_frame"] == 1.75
    assert summary["color_error"] == 1.0
    joints = summarize([{"pck": [0, 0.5], "frames": 1, "seconds_per_frame": 1}, {"pck": [1, 1], "frames": 9, "seconds_per_frame": 1}])
    assert joints["pck"] == [0.5, 0.75]
    assert "J" not in joints


def test_joints_are_written_and_scored_together_with_masks(tmp_path):
    results = evaluate(IDENTITY, synth(), tmp_path / "out", progress=False)
    scene = moving_shapes(0)
    rows = (tmp_path / "out" / "joints" / "seed0.csv").read_text().splitlines()
    assert rows[0] == "frame,joint,x,y,confidence"
    assert len(rows) == 1 + scene.joints.shape[0] * scene.joints.shape[1]
    record = results["sequences"]["seed0"]
    assert len(record["pck"]) == 5
    assert record["pck"] == sorted(record["pck"]) == results["summary"]["pck"]
    assert list(record["objects"]) == ["1", "2", "3"]
    assert len(record["objects"]["1"]["J"]) == 39
    assert "PCK@0.1" in (tmp_path / "out" / "table.txt").read_text()


def test_results_contain_no_path_of_this_machine(trees, tmp_path):
    weights = tmp_path / "secret-place" / "mine.pt"
    random_model().save(weights)
    method = find_method(str(weights), None, QUICK)
    evaluate(method, davis(trees), tmp_path / "out", progress=False)
    text = (tmp_path / "out" / "results.json").read_text() + (tmp_path / "out" / "table.txt").read_text()
    for part in (str(tmp_path), str(trees[2016]), "secret-place", trees[2016].name):
        assert part not in text
    assert '"mine"' in text
    assert run_name(davis(trees), method) == "davis2016-mine-modern"
    assert run_name(synth(), IDENTITY) == "synth-identity"


def test_unusual_names_survive_writing_and_reading(tmp_path):
    """Lists of numbers are written on one line. This must not change names inside lists."""
    truth = Truth("cam [ 1 ]  x", lambda: iter(np.zeros((3, 16, 16, 3), np.uint8)), {0: lambda: np.eye(16, dtype=np.uint8)})
    truth = replace(truth, masks={t: truth.masks[0] for t in range(3)}, scored=(1,))
    dataset = SimpleNamespace(facts={"name": "x", "sequences": [truth.name, "a  b"]}, truths=iter([truth]))
    results = evaluate(IDENTITY, dataset, tmp_path, progress=False)
    assert read_results(tmp_path / "results.json") == results
    assert '"J": [1.0]' in (tmp_path / "results.json").read_text()
    assert "unfinished: 1 of 2 videos" in (tmp_path / "table.txt").read_text()


def test_void_pixels_of_the_first_mask_are_hidden_from_the_tracker(tmp_path):
    mask = np.zeros((16, 16), np.uint8)
    mask[2:6, 2:6], mask[10:] = 3, 255
    frames = np.zeros((3, 16, 16, 3), np.uint8)
    truth = Truth("void", partial(iter, frames), {t: partial(np.asarray, mask) for t in range(3)}, scored=(1,))
    dataset = SimpleNamespace(facts={"name": "x", "sequences": ["void"]}, truths=iter([truth]))
    results = evaluate(IDENTITY, dataset, tmp_path, progress=False)
    assert results["sequences"]["void"]["objects"] == {"3": {"J": [1.0], "F": [1.0]}}
    with Image.open(tmp_path / "masks" / "void" / "00002.png") as picture:
        assert set(np.unique(np.array(picture))) == {0, 3}


# ------------------------------------------------------------------------------------------------------------------- colour


def test_colour_errors_by_hand(device):
    frame = moving_shapes(0, 1, 32, 32, 1).frames[0]
    mask = np.zeros((32, 32), np.uint8)
    mask[8:16, 8:16], mask[24:] = 1, 255
    palette = Palette(torch.tensor([[-40.0, 0], [40.0, 0]]))
    model = replace(random_model(device=device), palette=palette)
    true = torch.nn.functional.adaptive_avg_pool2d(frames_to_lab(frame, device)[1:], (8, 8))
    assert module._color_scores(true, frame, mask, model) == {"color_error": 0, "object_color_error": 0, "wrong_cluster": 0}
    shifted = true.clone()
    shifted[:, 2:4, 2:4] += torch.tensor([3.0, 4.0], device=device)[:, None, None]  # a distance of 5, on the object only
    scores = module._color_scores(shifted, frame, mask, model)
    assert scores["color_error"] == pytest.approx(5 * 4 / 64, abs=1e-4)
    assert scores["object_color_error"] == pytest.approx(5, abs=1e-4)
    other_side = true * torch.tensor([-1.0, 1.0], device=device)[:, None, None]
    assert module._color_scores(other_side, frame, mask, model)["wrong_cluster"] == 1
    assert np.isnan(module._color_scores(true, frame, np.zeros_like(mask), model)["object_color_error"])


def test_colours_are_scored_only_with_masks_a_pointer_and_colour_frames(trees, tmp_path):
    method = model_method("blank", replace(random_model(), palette=Palette(torch.tensor([[-9.0, 0], [9.0, 0]]))), QUICK)
    record = evaluate(method, davis(trees, sequences=["two"]), tmp_path / "a", progress=False)["sequences"]["two"]
    assert all(len(record[key]) == 4 for key in ("color_error", "object_color_error", "wrong_cluster"))
    gray = write_davis(tmp_path / "gray", objects=(2,), gray=True)
    record = evaluate(method, open_dataset("davis", gray), tmp_path / "b", progress=False)["sequences"]["one"]
    assert "color_error" not in record
    assert record["objects"]["1"]["J"][0] > 0
    still = evaluate(IDENTITY, davis(trees, sequences=["two"]), tmp_path / "c", progress=False)["sequences"]["two"]
    assert "color_error" not in still
    for name in ("lab", "random-lab"):  # these networks see the colours that must be predicted
        seeing = find_method(None, name, QUICK)
        record = evaluate(seeing, davis(trees, sequences=["two"]), tmp_path / name, progress=False)["sequences"]["two"]
        assert "color_error" not in record
        assert record["objects"]


# ------------------------------------------------------------------------------------------------ stopped and failed runs


def test_a_stopped_run_resumes_after_the_last_complete_video(trees, tmp_path):
    whole = evaluate(IDENTITY, davis(trees), tmp_path / "whole", progress=False)
    started = []

    def stopped(frames, mask=None, xy=None, colors=None):
        started.append("again")
        for t, carried in enumerate(identity(frames, mask, xy)):
            if len(started) == 2 and t == 3:
                raise KeyboardInterrupt
            yield carried

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        evaluate(Method("identity", stopped), davis(trees), out, progress=False)
    assert len(started) == 2
    assert [p.name for p in (out / "masks").iterdir()] == ["one"]
    assert nothing_unfinished(out)
    assert list(read_results(out / "results.json")["sequences"]) == ["one"]
    assert "unfinished: 1 of 2 videos" in (out / "table.txt").read_text()
    results = evaluate(Method("identity", stopped), davis(trees), out, progress=False)
    assert len(started) == 3  # "two" only
    assert without_time(results) == without_time(whole) == without_time(read_results(out / "results.json"))
    assert (tmp_path / "whole" / "masks" / "two" / "00004.png").read_bytes() == (out / "masks" / "two" / "00004.png").read_bytes()
    assert "unfinished" not in (out / "table.txt").read_text()
    evaluate(Method("identity", stopped), davis(trees), out, progress=False)
    assert len(started) == 3  # everything is complete


def test_the_folder_of_another_run_is_not_touched(trees, tmp_path):
    model = random_model()
    out = tmp_path / "out"
    evaluate(model_method("blank", model, QUICK), davis(trees, sequences=["one"]), out, progress=False)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    for method, dataset, part in (
        (IDENTITY, davis(trees, sequences=["one"]), "another method or protocol"),
        (model_method("blank", random_model(seed=1), QUICK), davis(trees, sequences=["one"]), "another method or protocol"),
        (model_method("blank", model, replace(QUICK, radius=4)), davis(trees, sequences=["one"]), "another method or protocol"),
        (model_method("blank", model, propagate.PAPER), davis(trees, sequences=["one"]), "another method or protocol"),
        (model_method("blank", model, QUICK), davis(trees, sequences=["two"]), "another data set"),
        (model_method("blank", model, QUICK), davis(trees), "another data set"),
    ):
        with pytest.raises(TinytrackError) as error:
            evaluate(method, dataset, out, progress=False)
        assert_one_sentence(error, out, part, "--out")
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    text = (out / "results.json").read_text()
    (out / "results.json").write_text(text.replace(f'"torch": "{torch.__version__}', '"torch": "0.1'))
    with pytest.raises(TinytrackError, match="other versions"):
        evaluate(model_method("blank", model, QUICK), davis(trees, sequences=["one"]), out, progress=False)


HEAD = '{"format": "tinytrack results 1"'


@pytest.mark.parametrize(
    "content",
    ["", "junk", "\xff\x00", "[]", "3", "{}", HEAD + "}", HEAD + ', "sequences": 3}', HEAD + ', "sequences": {"one": {']
    + [HEAD.replace("results 1", "results 0") + ', "sequences": {}}'],
)
def test_damaged_results_are_named_in_the_error(trees, tmp_path, content):
    (tmp_path / "results.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(TinytrackError) as error:
        evaluate(IDENTITY, davis(trees), tmp_path, progress=False)
    assert_one_sentence(error, tmp_path / "results.json", "tinytrack evaluate")
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]


def snapshot(folder):
    """Everything below a folder: its text or its target, None for a folder, and its modification time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[path.relative_to(folder)] = (content, path.lstat().st_mtime_ns)
    return found


def refused(trees, out, *parts):
    """Check that an evaluation refuses to write into ``out``, and leaves it as it was."""
    before = snapshot(out)
    with pytest.raises(OutputError) as error:
        evaluate(IDENTITY, davis(trees), out, progress=False)
    assert_one_sentence(error, *parts)
    assert snapshot(out) == before


@pytest.mark.parametrize("name", ["masks/one/00000.png", "masks/notes.txt", "joints/one.csv", "table.txt"])
def test_an_evaluation_does_not_replace_what_a_user_made(trees, tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    refused(trees, tmp_path, tmp_path / name.split("/")[0], "was not made by tinytrack", "--out")


@pytest.mark.parametrize("name", ["masks", "joints", "results.json", "table.txt"])
def test_an_evaluation_neither_replaces_nor_follows_a_link(trees, tmp_path, name):
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to("../data" if name in ("masks", "joints") else "../gone")
    before = snapshot(tmp_path)
    with pytest.raises(OutputError) as error:
        evaluate(IDENTITY, davis(trees), tmp_path / "out", progress=False)
    assert_one_sentence(error, tmp_path / "out" / name, "was not made by tinytrack")
    assert snapshot(tmp_path) == before


def half_done(trees, out):
    """Write the results of the first of two sequences."""

    def stopped(frames, mask=None, xy=None, colors=None):
        for t, carried in enumerate(identity(frames, mask, xy)):
            if t == 3 and (out / "results.json").exists():
                raise KeyboardInterrupt
            yield carried

    with pytest.raises(KeyboardInterrupt):
        evaluate(Method("identity", stopped), davis(trees), out, progress=False)


def test_a_users_folder_among_the_predictions_is_not_replaced(trees, tmp_path):
    half_done(trees, tmp_path)
    (tmp_path / "masks" / "two").mkdir()
    (tmp_path / "masks" / "two" / "notes.txt").write_text("mine")
    refused(trees, tmp_path, tmp_path / "masks" / "two", "was not made by tinytrack")


def test_an_edited_table_is_not_replaced(trees, tmp_path):
    half_done(trees, tmp_path)
    (tmp_path / "table.txt").write_text("with a remark")
    refused(trees, tmp_path, tmp_path / "table.txt", "has changed since 'evaluate' made it")


def test_a_complete_evaluation_with_an_edited_table_is_only_read(trees, tmp_path):
    evaluate(IDENTITY, davis(trees), tmp_path, progress=False)
    (tmp_path / "table.txt").write_text("with a remark")
    before = snapshot(tmp_path)
    evaluate(IDENTITY, davis(trees), tmp_path, progress=False)
    assert snapshot(tmp_path) == before


def test_a_folder_of_an_older_version_is_known_by_its_results(trees, tmp_path):
    half_done(trees, tmp_path)
    (tmp_path / LIST).unlink()
    assert set(evaluate(IDENTITY, davis(trees), tmp_path, progress=False)["sequences"]) == {"one", "two"}
    assert set(read_list(tmp_path)) == {"masks", "masks/two", "results.json", "table.txt"}
    (tmp_path / LIST).unlink()
    (tmp_path / "results.json").unlink()
    refused(trees, tmp_path, tmp_path / "masks", "was not made by tinytrack")


def test_an_evaluation_that_was_killed_while_it_tracked_can_be_resumed(trees, tmp_path):
    """A copy that is made during the run is what a killed run leaves."""
    out, copies = tmp_path / "out", []

    def copied(frames, mask=None, xy=None, colors=None):
        copies.append(tmp_path / f"copy{len(copies)}")
        for t, carried in enumerate(identity(frames, mask, xy)):
            if t == 3:
                shutil.copytree(out, copies[-1])
            yield carried

    whole = evaluate(Method("identity", copied), davis(trees), out, progress=False)
    for copy, done in zip(copies, ([], ["one"]), strict=True):
        assert [p.name for p in (copy / "masks").iterdir() if p.name[0] != "."] == done
        assert without_time(evaluate(IDENTITY, davis(trees), copy, progress=False)) == without_time(whole)


def test_an_evaluation_that_was_killed_between_its_files_can_be_repeated(trees, tmp_path):
    """The masks of "two" are in place, but results.json does not name them yet."""
    evaluate(IDENTITY, davis(trees), tmp_path, progress=False)
    results = read_results(tmp_path / "results.json")
    del results["sequences"]["two"]
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert set(evaluate(IDENTITY, davis(trees), tmp_path, progress=False)["sequences"]) == {"one", "two"}
    # but not if somebody has corrected them since
    (tmp_path / "results.json").write_text(json.dumps(results))
    (tmp_path / "masks" / "two" / "00003.png").write_bytes((tmp_path / "masks" / "two" / "00002.png").read_bytes())
    refused(trees, tmp_path, tmp_path / "masks" / "two", "has changed since 'evaluate' made it")


def test_an_evaluation_does_not_replace_the_results_of_another_command(trees, tmp_path):
    with results_folder(tmp_path, "track", ["masks"]) as scratch:
        (scratch / "masks").mkdir()
    refused(trees, tmp_path, tmp_path / "masks", "was made by 'track'")


def test_a_full_disk_gives_one_sentence_and_leaves_no_partial_files(trees, tmp_path, monkeypatch):
    out, count = tmp_path / "out", 0

    def full(path, ids):
        nonlocal count
        count += 1
        if count > FRAMES + 2:  # in the second video
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_mask(path, ids)

    monkeypatch.setattr(module, "write_mask", full)
    with pytest.raises(OutputError) as error:
        evaluate(IDENTITY, davis(trees), out, progress=False)
    assert_one_sentence(error, "the disk is full")
    assert sorted(p.name for p in out.iterdir()) == [LIST, "masks", "results.json", "table.txt"]
    assert [p.name for p in (out / "masks").iterdir()] == ["one"]
    assert nothing_unfinished(out)
    with pytest.raises(OutputError):
        evaluate(IDENTITY, davis(trees), tmp_path / "other", progress=False)  # full from the start
    assert not (tmp_path / "other").exists()
    monkeypatch.undo()
    assert list(evaluate(IDENTITY, davis(trees), out, progress=False)["sequences"]) == ["one", "two"]


@pytest.mark.parametrize("name", ["table.txt", "results.json"])
def test_a_disk_that_fills_up_at_the_last_files_loses_at_most_one_video(trees, tmp_path, monkeypatch, name):
    write = type(tmp_path).write_text

    def full(path, *args, **kwargs):
        if path.name.endswith(name) and "two" in args[0].split("sequences")[-1]:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, *args, **kwargs)

    monkeypatch.setattr(type(tmp_path), "write_text", full)
    with pytest.raises(OutputError) as error:
        evaluate(IDENTITY, davis(trees), tmp_path / "out", progress=False)
    assert_one_sentence(error, name, "the disk is full")
    monkeypatch.undo()
    assert nothing_unfinished(tmp_path / "out")
    evaluate(IDENTITY, davis(trees), tmp_path / "out", progress=False)
    assert "\ntwo " in (tmp_path / "out" / "table.txt").read_text()


def test_an_unwritable_output_folder_gives_one_sentence(trees, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError) as error:
            evaluate(IDENTITY, davis(trees), out, progress=False)
        assert_one_sentence(error, out, "cannot write")
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


# -------------------------------------------------------------------------------------------------------------- wrong masks


def two_objects():
    """Two squares that move right. The second one is absent in frame 3."""
    masks = np.zeros((6, 60, 80), np.uint8)
    for t, mask in enumerate(masks):
        mask[10:30, 5 + t : 25 + t] = 1
        if t != 3:
            mask[35:55, 45 + t : 65 + t] = 2
    return masks


def truth_of(masks):
    return Truth("made", lambda: (), {t: partial(np.asarray, m) for t, m in enumerate(masks)}, scored=tuple(range(1, len(masks) - 1)))


def score(folder, predictions, truth_masks=None):
    folder.mkdir(exist_ok=True)
    for t, ids in enumerate(predictions):
        write_mask(folder / f"{t:05d}.png", ids)
    return score_masks(folder, truth_of(two_objects() if truth_masks is None else truth_masks))


def test_the_ground_truth_scores_one(tmp_path):
    assert score(tmp_path, two_objects()) == {n: {"J": [1.0] * 4, "F": [1.0] * 4} for n in ("1", "2")}


def test_an_empty_prediction_scores_zero_where_an_object_is_present(tmp_path):
    scores = score(tmp_path, np.zeros_like(two_objects()))
    assert scores["1"] == {"J": [0.0] * 4, "F": [0.0] * 4}
    assert scores["2"] == {"J": [0.0, 0.0, 1.0, 0.0], "F": [0.0, 0.0, 1.0, 0.0]}  # frame 3 has no object, and none is predicted


def test_a_full_prediction_scores_the_area_fraction_and_no_boundary(tmp_path):
    scores = score(tmp_path, np.ones_like(two_objects()))
    assert scores["1"] == {"J": [round(400 / 4800, 4)] * 4, "F": [0.0] * 4}
    assert scores["2"]["J"] == scores["2"]["F"] == [0.0, 0.0, 1.0, 0.0]


def test_scores_fall_with_the_shift_of_the_prediction(tmp_path):
    found = {d: score(tmp_path / str(d), np.roll(two_objects(), d, axis=2))["1"] for d in (0, 2, 5, 10, 25)}
    for d in (2, 5, 10):
        assert found[d]["J"] == [round((20 - d) / (20 + d), 4)] * 4
    means = [np.mean(found[d]["F"]) for d in (0, 2, 5, 10, 25)]
    assert means == sorted(means, reverse=True)
    assert means[2] < 0.7
    assert found[25] == {"J": [0.0] * 4, "F": [0.0] * 4}


def test_swapped_objects_score_zero(tmp_path):
    scores = score(tmp_path, np.array([0, 2, 1], np.uint8)[two_objects()])
    assert scores["1"]["J"] == [0.0] * 4
    assert scores["1"]["F"] == [0.0] * 4
    assert scores["2"]["J"] == [0.0] * 4
    assert scores["2"]["F"] == [0.0] * 4  # also in frame 3, where its id is on the other object


def test_a_missing_prediction_scores_zero_even_without_an_object(tmp_path):
    folder = tmp_path / "some"
    score(folder, two_objects())
    (folder / "00001.png").unlink(), (folder / "00003.png").unlink()
    scores = score_masks(folder, truth_of(two_objects()))
    assert scores == {n: {"J": [0.0, 1.0, 0.0, 1.0], "F": [0.0, 1.0, 0.0, 1.0]} for n in ("1", "2")}
    nowhere = score_masks(tmp_path / "no such folder", truth_of(two_objects()))
    assert nowhere == {n: {"J": [0.0] * 4, "F": [0.0] * 4} for n in ("1", "2")}


def test_void_pixels_are_not_scored(tmp_path):
    truth = two_objects()
    truth[:, :, 30:40] = 255
    wild = two_objects()
    wild[:, :, 30:40] = 1  # predictions in the void region do not count
    assert score(tmp_path, wild, truth) == score(tmp_path, two_objects(), truth)
    assert list(score(tmp_path, wild, truth)) == ["1", "2"]
    assert score(tmp_path, wild, truth)["1"]["J"] == [1.0] * 4
    wild[:, :, 40:44] = 1
    assert max(score(tmp_path, wild, truth)["1"]["J"]) < 1


def test_predictions_that_are_not_masks_are_named_in_the_error(tmp_path):
    score(tmp_path, two_objects())
    path = tmp_path / "00002.png"
    write_mask(path, np.zeros((30, 40), np.uint8))
    with pytest.raises(MaskError) as error:
        score_masks(tmp_path, truth_of(two_objects()))
    assert_one_sentence(error, path, "40x30", "80x60")
    Image.fromarray(np.zeros((60, 80, 3), np.uint8)).save(path)
    with pytest.raises(MaskError) as error:
        score_masks(tmp_path, truth_of(two_objects()))
    assert_one_sentence(error, path, "true colour")
    good = (tmp_path / "00001.png").read_bytes()
    for content in (b"", b"junk", good[:40], good[: len(good) // 2]):
        path.write_bytes(content)
        with pytest.raises(MaskError) as error:
            score_masks(tmp_path, truth_of(two_objects()))
        assert_one_sentence(error, path, "cannot be read as a picture")


# ------------------------------------------------------------------------------------------------------------- wrong joints

SQUARE = np.array([[0.0, 0], [60, 0], [60, 80], [0, 80]])  # the diagonal is 100, so PCK@.1 means within 6 pixels


def joints_truth(joints):
    return Truth("made", lambda: (), joints=dict(joints), joint_names=("a", "b", "c", "d"))


def test_true_joints_score_one_and_distant_joints_score_zero():
    truth = joints_truth({0: SQUARE, 3: SQUARE + 5, 4: SQUARE - 2})
    right = [SQUARE, SQUARE * np.nan, SQUARE * np.nan, SQUARE + 5, SQUARE - 2]  # frames without labels do not matter
    assert score_joints(right, truth).tolist() == [1.0] * 5
    assert score_joints([SQUARE + [0, 31]] * 5, joints_truth({0: SQUARE, 1: SQUARE})).tolist() == [0.0] * 5
    assert score_joints([SQUARE + [0, 13]] * 5, joints_truth({0: SQUARE, 1: SQUARE})).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]


def test_the_first_frame_is_not_scored():
    truth = joints_truth({0: SQUARE, 1: SQUARE})
    assert score_joints([SQUARE, SQUARE + 100], truth).tolist() == [0.0] * 5
    assert score_joints([SQUARE + 100, SQUARE], truth).tolist() == [1.0] * 5


def test_lost_and_missing_joints_are_wrong():
    truth = joints_truth({0: SQUARE, 1: SQUARE, 2: SQUARE})
    lost = SQUARE.copy()
    lost[1] = np.nan
    assert score_joints([SQUARE, lost, lost], truth).tolist() == [0.75] * 5
    assert score_joints([SQUARE, SQUARE], truth).tolist() == [0.5] * 5  # the list is shorter than the video
    assert score_joints([SQUARE], truth).tolist() == [0.0] * 5
    assert score_joints([], truth).tolist() == [0.0] * 5


def test_joints_hidden_in_the_first_frame_are_not_scored_but_extend_the_box():
    start = SQUARE.copy()
    start[3] = np.nan
    truth = joints_truth({0: start, 1: SQUARE})
    assert score_joints([start, start], truth).tolist() == [1.0] * 5
    # Without the joint (0, 80), and with (60, 80) hidden, the box would be 60 wide and flat. PCK@.1 would then allow 3.6 pixels.
    later = SQUARE.copy()
    later[2] = np.nan
    assert score_joints([start, start + [0, 5.5]], joints_truth({0: start, 1: later})).tolist() == [1.0] * 5


# ------------------------------------------------------------------------------------------------------------------ methods


def test_methods_are_found_by_name():
    assert find_method("tiny-gray", "identity", QUICK).facts() == {"name": "identity", "protocol": None, "model": None}
    assert find_method("tiny-gray", "flow", QUICK).model is None
    gray = find_method("tiny-gray", "gray", QUICK)
    assert gray.name == "gray"
    assert gray.model.name == "RawPatches"
    assert gray.protocol is QUICK
    assert find_method("tiny-gray", "random-2", QUICK).model.fingerprint() == random_model(seed=2).fingerprint()
    assert find_method("tiny-gray", None, QUICK).facts()["model"]["network"] == "TinyNet"
    assert find_method("tiny-gray", "random-lab", QUICK).model.sees_color
    with pytest.raises(TinytrackError) as error:
        find_method("tiny-gray", "magic", QUICK)
    assert_one_sentence(error, "'magic'", "identity")
    with pytest.raises(TinytrackError):
        find_method("no such model", None, QUICK)


# ---------------------------------------------------------------------------------------------------------------- real data


def test_identity_on_davis_agrees_with_an_independent_scorer(davis_root, tmp_path):
    """The expected numbers come from a scorer that shares no code with ours (issue 3)."""
    expected = {"blackswan": (54.5, 33.4), "dog": (32.7, 18.3), "scooter-black": (9.2, 12.9)}
    dataset = open_dataset("davis", davis_root, sequences=list(expected))
    results = evaluate(IDENTITY, dataset, tmp_path, progress=False)
    for name, (j, f) in expected.items():
        scores = results["sequences"][name]["objects"]["1"]
        assert 100 * np.mean(scores["J"]) == pytest.approx(j, abs=0.1), name
        assert 100 * np.mean(scores["F"]) == pytest.approx(f, abs=0.1), name
        assert results["sequences"][name]["size"] == [480, 854]
        assert len(scores["J"]) == results["sequences"][name]["frames"] - 2
    assert results["summary"]["J"] == pytest.approx(np.mean([j for j, _ in expected.values()]) / 100, abs=1e-3)


# ------------------------------------------------------------------------------------------------------------- command line


def test_the_command_prints_the_table(cli, here):
    done = cli("evaluate", "synth", "--baseline", "identity", "--sequences", "seed0", "--out", "results")
    assert done.status == 0
    assert not done.said
    assert (here / "results" / "table.txt").read_text() in done.out
    assert "results" in done.out.splitlines()[-1]
    assert re.search(r"^seed0( +[\d.-]+){12}$", done.out, re.M)
    assert re.search(r"^mean( +[\d.-]+){12}$", done.out, re.M)
    again = cli("evaluate", "synth", "--baseline", "identity", "--sequences", "seed0", "--out", "results")
    assert again.status == 0
    assert again.out == done.out
    other = cli("evaluate", "synth", "--baseline", "identity", "--sequences", "seed1", "--out", "results")
    assert other.status == 2
    assert len(other.said) == 1
    assert "another data set" in other.said[0]


def test_without_out_the_folder_is_named_after_data_set_and_method(cli, here, trees):
    assert cli("evaluate", "davis", trees[2017], "--year", "2017", "--baseline", "identity").status == 0
    assert (here / "tinytrack-results" / "davis2017-identity" / "masks" / "two" / "00000.png").is_file()


def test_the_command_accepts_a_model_and_a_protocol(cli, here, trees, monkeypatch):
    monkeypatch.setitem(propagate.PROTOCOLS, "paper", replace(propagate.PAPER, size=(H, H), grid=(6, 6)))
    random_model().save(here / "blank.pt")
    done = cli("evaluate", "davis", trees[2016], "--sequences", "one", "--model", "blank.pt", "--protocol", "paper", "--device", "cpu")
    assert done.status == 0, done.said
    facts = read_results(here / "tinytrack-results" / "davis2016-blank-paper" / "results.json")
    assert facts["method"]["protocol"] == "paper"
    assert facts["dataset"]["sequences"] == ["one"]


@pytest.mark.parametrize(
    "line, part",
    [
        ("evaluate davis nowhere", "'nowhere' is not a DAVIS folder"),
        ("evaluate badja nowhere --davis nowhere", "'nowhere'"),
        ("evaluate pose2sim nowhere", "'nowhere'"),
        ("evaluate synth --sequences seed0,seed99", "seed99"),
        ("evaluate synth --baseline magic", "'magic'"),
        ("evaluate synth --baseline random-99999999999999999999", "random-99999999999999999999"),
        ("evaluate synth --model nowhere.pt", "nowhere.pt"),
        ("evaluate synth --model tiny-gray --baseline identity", "not allowed with"),
        ("evaluate kinetics", "'kinetics'"),
        ("evaluate davis", "ROOT"),
        ("evaluate davis nowhere --year 2018", "2018"),
        ("evaluate", "DATASET"),
    ],
)
def test_an_impossible_evaluation_gives_one_sentence(cli, here, line, part):
    done = cli(*line.split())
    assert done.status == 2
    assert not done.out
    assert len(done.said) == 1
    assert part in done.said[0]
    assert not list(here.iterdir())


def test_help_lists_the_data_sets(cli):
    done = cli("evaluate", "--help")
    assert done.status == 0
    for name in DATASETS:
        assert re.search(rf"^ +{name} ", done.out, re.M)
    one = cli("evaluate", "davis", "--help").out
    assert all(part in one for part in ("--year", "--split", "--sequences", "--baseline", "--protocol", "--out"))


def test_ctrl_c_reports_what_is_kept(cli, here, trees, monkeypatch):
    done = []

    def stopped(frames, mask=None, xy=None):
        done.append(1)
        if len(done) == at:
            raise KeyboardInterrupt
        yield from identity(frames, mask, xy)

    monkeypatch.setitem(methods.FOLLOWERS, "identity", stopped)
    at = 1
    result = cli("evaluate", "davis", trees[2016], "--baseline", "identity", "--out", "out")
    assert result.status == 2
    assert result.said == [f"tinytrack: {program.INTERRUPTED}"]
    assert not list(here.iterdir())
    done, at = [], 2
    result = cli("evaluate", "davis", trees[2016], "--baseline", "identity", "--out", "out")
    assert result.status == 2
    assert len(result.said) == 1
    assert "kept in 'out'" in result.said[0]
    assert "nothing was written" not in result.said[0]
    assert cli("evaluate", "davis", trees[2016], "--baseline", "identity", "--out", "out").status == 0

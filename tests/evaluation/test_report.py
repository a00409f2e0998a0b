"""The report: its planned runs, the results it reuses, the items it lists as missing, and that its numbers match the runs."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from tests.support.helpers import assert_one_sentence
from tinytrack.datasets import truth as datasets
from tinytrack.datasets.synth import moving_shapes
from tinytrack.datasets.truth import Truth
from tinytrack.draw.pictures import principal_colors
from tinytrack.errors import TinytrackError
from tinytrack.evaluation import scoring as evaluation
from tinytrack.evaluation import statistics as analysis
from tinytrack.evaluation.report import charts as pages
from tinytrack.evaluation.report import make as report
from tinytrack.evaluation.report import pictures, tables
from tinytrack.evaluation.report.charts import draw_report
from tinytrack.evaluation.report.make import Run, find_data, make_report, plan_runs
from tinytrack.evaluation.report.results import read_report
from tinytrack.evaluation.report.tables import mask_table, report_page, summary_text
from tinytrack.model import load_model, random_model
from tinytrack.pointer import attention

VAL, TRAIN, FRAMES = ("crab", "eel", "fish"), ("gull",), 9


def write_davis(root, val=VAL, train=TRAIN, year=2016):
    """Write a DAVIS tree of synthetic 64x80 scenes."""
    for seed, name in enumerate((*val, *train)):
        scene = moving_shapes(seed, FRAMES, 64, 80, objects=1, speed=3)
        for kind, pictures_, ending in (("JPEGImages", scene.frames, "jpg"), ("Annotations", scene.masks * 255, "png")):
            folder = root / kind / "480p" / name
            folder.mkdir(parents=True)
            for t, picture in enumerate(pictures_):
                Image.fromarray(picture).save(folder / f"{t:05d}.{ending}")
    lists = root / "ImageSets" / str(year)
    lists.mkdir(parents=True)
    for split, names in (("val", val), ("train", train)):
        if names:
            (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def small(patch, methods="identity gray random random-1 random-lab tiny-gray", cache=None):
    """Make the report fast: few methods, a coarse grid, a training run of three steps, and no data from outside the test."""
    plan = {name: ("", "") for name in report.PLAN} | {"davis2016": (methods, "modern paper")}
    modern = dataclasses.replace(report.MODERN, size=32, radius=4, back=(1, 2, 3))
    patch.setattr(report, "PLAN", plan)
    patch.setattr(report, "MODERN", modern)
    patch.setattr(
        report,
        "PROTOCOLS",
        {
            "modern": modern,
            "refined": dataclasses.replace(modern, name="refined", read="guided", gate=2),
            "refined-480": dataclasses.replace(modern, name="refined-480", read="guided", gate=4, radius=8, size=64, coarse=2),
            "windowed": dataclasses.replace(modern, name="windowed", first_anywhere=False),
            "paper": dataclasses.replace(report.PROTOCOLS["paper"], size=(32, 32), grid=(8, 8)),
        },
    )
    patch.setattr(report, "TINY", dataclasses.replace(report.TINY, steps=3, batch=1, height=32, crop=32, jitter=2))
    patch.setattr(report, "missing_methods", lambda: {"single": "its weights are not here"})
    patch.delenv("TINYTRACK_DATA", raising=False)
    patch.setenv("TINYTRACK_CACHE", str(cache))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return (data folder, folder of a complete small report, printed text)."""
    data, out = tmp_path_factory.mktemp("given"), tmp_path_factory.mktemp("made") / "report"
    write_davis(data / "davis")
    with pytest.MonkeyPatch.context() as patch:
        small(patch, cache=data / "nothing")
        text = make_report(str(data), str(out))
    return data, out, text


@pytest.fixture
def fast(monkeypatch, tmp_path):
    small(monkeypatch, cache=tmp_path / "nothing")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


# the plan


def test_the_plan_for_davis_has_every_method_and_both_protocols():
    runs = plan_runs(["davis2016"])
    assert len(runs) == len(set(runs)) == 2 + 2 * 5 + 4 + 6 + 6 + 2
    assert runs[0] == Run("davis2016", "identity", None)
    assert Run("davis2016", "flow", None) in runs
    for method in ("gray", "lab", "random", "single", "tiny-gray"):
        assert {r.protocol for r in runs if r.method == method} - {"windowed", "refined", "refined-480"} == {"modern", "paper"}
    assert {r.method for r in runs if r.protocol == "windowed"} == {"gray", "tiny-gray"}
    for protocol in ("refined", "refined-480"):
        assert {r.method for r in runs if r.protocol == protocol} == {"gray", "lab", "random", "random-lab", "tiny-gray", "tiny-lab"}
    once = ("random-1", "random-2", "random-lab", "tiny-lab")  # extra seeds and networks that see colour skip the paper's protocol
    others = [r for r in runs if r.method in once and not r.protocol.startswith("refined")]
    assert others == [Run("davis2016", method, "modern") for method in once]


def test_the_plan_for_joints_uses_only_the_modern_protocol_and_omits_missing_methods():
    runs = plan_runs(["badja", "synth"], missing=["flow", "single"])
    assert [(r.method, r.protocol) for r in runs if r.dataset == "synth"] == [
        ("identity", None), ("gray", "modern"), ("lab", "modern"), ("random", "modern"), ("random-lab", "modern"),
        ("tiny-gray", "modern"), ("tiny-lab", "modern"),
    ]  # fmt: skip
    assert sum(r.dataset == "badja" and r.protocol in (None, "modern") for r in runs) == 7
    finer = [r.method for r in runs if r.dataset == "badja" and r.protocol == "refined-480"]
    assert finer == ["gray", "lab", "random", "random-lab", "tiny-gray", "tiny-lab"]
    assert {r.protocol for r in runs if r.dataset == "synth"} == {None, "modern"}
    assert plan_runs([]) == []
    everyone = {"identity", "flow", "gray", "lab", "random", "random-lab", "tiny-gray", "tiny-lab"}
    assert {r.method for r in plan_runs(["davis2017"])} == everyone
    assert all(everyone <= {r.method for r in plan_runs([dataset])} for dataset in report.PLAN)


# the data


def test_without_a_data_folder_only_installed_data_is_found_and_the_rest_is_listed(fast):
    found, left_out = find_data(None)
    assert set(found) - {"carphone"} == {"synth"}
    text = "\n".join(left_out)
    assert "davis (no data folder was given, and it was not fetched)" in text
    assert "badja (no data folder was given)" in text
    assert "pose2sim (no data folder was given)" in text


def test_the_data_folder_may_come_from_the_environment_and_missing_parts_are_listed(fast, tmp_path):
    write_davis(tmp_path / "data" / "davis")
    (tmp_path / "data" / "badja").mkdir()
    fast.setenv("TINYTRACK_DATA", str(tmp_path / "data"))
    found, left_out = find_data(None)
    assert found["davis2016"] == {"name": "davis", "root": tmp_path / "data" / "davis", "year": 2016}
    assert found["badja"]["davis"] == tmp_path / "data" / "davis"
    assert "davis2017" not in found
    assert any("2017" in item for item in left_out)
    assert "pose2sim (no folder pose2sim in the data)" in left_out
    (tmp_path / "data" / "davis" / "ImageSets" / "2017").mkdir()
    (tmp_path / "data" / "davis" / "ImageSets" / "2017" / "val.txt").write_text("crab\n")
    assert find_data(None)[0]["davis2017"]["year"] == 2017


def test_badja_without_davis_is_left_out_and_a_wrong_folder_gives_one_sentence(fast, tmp_path):
    (tmp_path / "data" / "badja").mkdir(parents=True)
    found, left_out = find_data(tmp_path / "data")
    assert "badja" not in found
    assert any("badja" in item and "DAVIS" in item for item in left_out)
    with pytest.raises(TinytrackError) as error:
        find_data(tmp_path / "nowhere")
    assert_one_sentence(error, "nowhere")


def test_a_broken_data_set_is_reported_before_any_work(fast, tmp_path):
    (tmp_path / "data" / "pose2sim").mkdir(parents=True)
    fast.setattr(report, "_track", lambda *a: pytest.fail("it tracked"))
    with pytest.raises(TinytrackError) as error:
        make_report(str(tmp_path / "data"), str(tmp_path / "out"))
    assert_one_sentence(error, "pose2sim")
    assert not (tmp_path / "out").exists()


# the whole report


def test_every_run_is_in_the_folder_that_the_command_line_would_use(made):
    _, out, _ = made
    folders = {p.parent.name for p in out.glob("davis2016-*/results.json")}
    both = {f"davis2016-{m}-{p}" for m in ("gray", "random", "tiny-gray") for p in ("modern", "paper")}
    others = {"davis2016-identity", "davis2016-random-1-modern", "davis2016-random-lab-modern"}
    others |= {f"davis2016-{m}-windowed" for m in ("gray", "tiny-gray")}
    others |= {f"davis2016-{m}-{p}" for m in ("gray", "random", "random-lab", "tiny-gray") for p in ("refined", "refined-480")}
    assert folders == both | others
    results = read_report(out / "results.json")
    assert set(results["runs"]) == folders
    for name, run in results["runs"].items():
        alone = evaluation.read_results(out / name / "results.json")
        assert run["summary"] == alone["summary"]
        assert run["dataset"] == alone["dataset"]
        assert run["method"] == alone["method"]
        assert list(run["sequences"]) == list(VAL)


def test_the_page_shows_the_numbers_of_the_runs(made):
    _, out, text = made
    page = (out / "report.md").read_text()
    results = read_report(out / "results.json")
    for name, words in (("davis2016-identity", ["identity", "none"]), ("davis2016-tiny-gray-paper", ["tiny-gray", "paper"])):
        s = results["runs"][name]["summary"]
        row = next(line for line in page.splitlines() if all(f"| {w}" in line for w in words))
        cells = [c.strip() for c in row.strip("|").split("|")]
        assert cells[2] == f"{100 * s['J']:.1f}"
        assert cells[5] == f"{100 * s['F']:.1f}"
        assert cells[8] == f"{100 * s['J&F']:.1f}"
        assert cells[3] == f"{100 * s['J_recall']:.1f}"
        assert cells[7] == f"{100 * s['F_decay']:.1f}"
    two = np.array([[100 * results["runs"][f"davis2016-random{n}-modern"]["summary"][m] for m in "JF"] for n in ("", "-1")])
    j, f = (f"{mean:.1f} ± {spread:.1f}" for mean, spread in zip(two.mean(0), two.std(0, ddof=1), strict=True))
    (row,) = [line for line in page.splitlines() if "random network, 2 seeds | modern |" in line]
    assert row.split(" | ")[2] == j
    assert row.split(" | ")[5] == f
    lab = 100 * results["runs"]["davis2016-random-lab-modern"]["summary"]["J"]  # not a further seed but a separate method
    assert f"| random network (sees colour) | modern | {lab:.1f} |" in page
    crab = 100 * np.mean(results["runs"]["davis2016-tiny-gray-modern"]["sequences"]["crab"]["objects"]["1"]["J"])
    assert re.search(rf"\| crab \|.*\| {crab:.1f} \|", page)
    assert "3 video(s), 3 objects" in page
    identity = 100 * results["runs"]["davis2016-identity"]["summary"]["J"]
    assert re.search(rf"identity +{identity:.1f} ", text)


def test_the_numbers_of_the_paper_are_in_a_separate_block(made):
    page = (made[1] / "report.md").read_text()
    ours, paper = page.split(
        "### The paper's numbers, on another data set (DAVIS 2017 val, 30 videos, 61 objects): not to be compared line by line"
    )
    assert "the paper's model" not in ours
    assert "fully supervised" not in ours
    for row in ("22.1 | 23.6", "4.7 | 5.2", "13.0 | 15.1", "26.7 | 25.2", "34.6 | 32.7", "55.1 | 62.1"):
        assert row in paper
        assert row not in ours


def test_the_page_shows_exactly_the_figures_that_exist(made):
    out = made[1]
    files = {p.stem for p in (out / "figures").glob("*.png")}
    shown = set(re.findall(r"\(figures/(\w+)\.png\)", (out / "report.md").read_text()))
    assert (
        files == shown == {"table1", "j_over_time", "emergence", "failures", "embeddings", "pointer", "dissolve", "overlays"}
    )  # without joints there is no pck figure
    for path in (out / "figures").iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 200, path
    assert not list(out.rglob(".unfinished*"))


def test_left_out_items_are_listed_on_the_page_and_in_the_output(made):
    data, out, text = made
    page = (out / "report.md").read_text().split("## Left out")[1]
    for item in ("pose2sim (no folder pose2sim in the data)", "badja (", "davis 2017", "the method single (its weights are not here)"):
        assert item in page
        assert f"left out: {item}" in text


def test_no_path_of_this_machine_is_written(made):
    data, out, _ = made
    for path in [*out.rglob("*.json"), *out.rglob("*.md"), *out.rglob("*.txt"), *out.rglob("*.pt"), *out.rglob("*.png")]:
        content = path.read_bytes()
        assert str(data).encode() not in content, path
        assert str(out).encode() not in content, path
        assert b"/tmp" not in content, path


def test_a_second_run_neither_tracks_nor_trains_and_prints_the_same(made, fast):
    data, out, text = made
    before = {p: p.read_bytes() for p in (out / "results.json", out / "report.md")}
    stamps = {p: p.stat().st_mtime_ns for p in out.glob("davis2016-*/results.json")}
    fast.setattr(evaluation, "_sequence", lambda *a: pytest.fail("it tracked again"))
    fast.setattr(report, "fit", lambda *a, **k: pytest.fail("it trained again"))
    opened, whole = [], datasets.davis_truths

    def watched(davis, names):
        opened.append(names)
        yield from whole(davis, names)

    fast.setattr(datasets, "davis_truths", watched)
    assert make_report(str(data), str(out)) == text
    assert opened
    assert all(len(names) == 1 for names in opened)  # only the figures open videos, because all runs are complete
    assert {p: p.read_bytes() for p in before} == before
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_an_interrupted_run_resumes_with_the_missing_video(made, fast, tmp_path):
    import shutil

    data, out, _ = made
    copy = tmp_path / "report"
    shutil.copytree(out, copy)
    path = copy / "davis2016-identity" / "results.json"
    content = json.loads(path.read_text())
    del content["sequences"]["fish"]
    path.write_text(json.dumps(content))
    tracked, whole = [], evaluation._sequence
    fast.setattr(
        evaluation, "_sequence", lambda method, truth, out: (tracked.append((method.name, truth.name)), whole(method, truth, out))[1]
    )
    fast.setattr(report, "draw_pictures", lambda *a: {})
    make_report(str(data), str(copy))
    assert tracked == [("identity", "fish")]


def snapshot(folder):
    return {p.relative_to(folder): (p.read_bytes() if p.is_file() else None, p.lstat().st_mtime_ns) for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("name", ["report.md", "figures/table1.png", "figures/notes.txt", "results.json"])
def test_a_report_does_not_replace_what_a_user_made(made, fast, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    fast.setattr(report, "evaluate", lambda *a, **k: pytest.fail("it must refuse before the work"))
    before = snapshot(out)
    results = read_report(made[1] / "results.json")
    for run in (lambda: make_report(str(made[0]), str(out)), lambda: draw_report(results, out)):
        with pytest.raises(TinytrackError) as error:
            run()
        assert_one_sentence(error, out / name.split("/")[0], "was not made by tinytrack", "--out")
        assert snapshot(out) == before


def redrawable(made, tmp_path):
    """A copy of a report's files, without the list of results, as git brings it."""
    copy = tmp_path / "copy"
    (copy / "figures").mkdir(parents=True)
    for name in ("results.json", "report.md", "figures/table1.png", "figures/emergence.png"):
        (copy / name).write_bytes((made[1] / name).read_bytes())
    (copy / "tune.md").write_text("mine")
    return copy


def test_a_report_from_git_can_be_made_again(made, tmp_path):
    copy = redrawable(made, tmp_path)
    results = read_report(copy / "results.json")
    for _ in range(2):
        (copy / "report.md").unlink()
        draw_report(results, copy)
        assert (copy / "report.md").read_bytes() == (made[1] / "report.md").read_bytes()
    assert (copy / "tune.md").read_text() == "mine"


def test_an_edited_page_is_not_replaced(made, tmp_path):
    copy = redrawable(made, tmp_path)
    results = read_report(copy / "results.json")
    report.write_report(results, copy)
    draw_report(results, copy)
    (copy / "report.md").write_text("with a remark")
    before = snapshot(copy)
    with pytest.raises(TinytrackError) as error:
        draw_report(results, copy)
    assert_one_sentence(error, copy / "report.md", "has changed since 'evaluate report' made it")
    assert snapshot(copy) == before


def test_without_a_data_folder_the_report_uses_installed_data(fast, tmp_path):
    fast.setattr(report, "PLAN", {name: ("identity tiny-gray" * (name == "synth"), "modern") for name in report.PLAN})
    fast.setattr(datasets, "moving_shapes", lambda seed: moving_shapes(seed, 5, 64, 80))
    text = make_report(None, str(tmp_path / "out"))
    results = read_report(tmp_path / "out" / "results.json")
    assert set(results["runs"]) == {"synth-identity", "synth-tiny-gray-modern"}
    assert results["emergence"] == []
    assert results["failures"] == {}
    assert results["pictures"] == {}
    page = (tmp_path / "out" / "report.md").read_text()
    assert "### synthetic scenes" in page
    assert "| synthetic scenes | 5 | tiny-gray" in page
    assert "Table 1." not in page
    assert "- tracking emerges, figure 4 (no DAVIS" in page
    assert "left out: davis (no data folder was given" in text
    assert [p.name for p in (tmp_path / "out" / "figures").iterdir()] == ["pck.png"]


def test_ctrl_c_reports_that_the_work_is_kept(fast, tmp_path):
    write_davis(tmp_path / "data" / "davis", val=VAL[:2])
    whole = evaluation._sequence

    def press(method, truth, out):
        if truth.name == VAL[1]:
            raise KeyboardInterrupt
        return whole(method, truth, out)

    fast.setattr(evaluation, "_sequence", press)
    with pytest.raises(TinytrackError) as error:
        make_report(str(tmp_path / "data"), str(tmp_path / "out"))
    assert_one_sentence(error, "interrupted", tmp_path / "out", "continues")
    assert list(evaluation.read_results(tmp_path / "out" / "davis2016-identity" / "results.json")["sequences"]) == [VAL[0]]


def test_the_page_can_be_redrawn_from_the_stored_file_alone(made, tmp_path):
    out = made[1]
    draw_report(read_report(out / "results.json"), tmp_path / "again")
    assert (tmp_path / "again" / "report.md").read_text() == (out / "report.md").read_text()
    assert {p.name for p in (tmp_path / "again" / "figures").iterdir()} == {
        "table1.png", "j_over_time.png", "emergence.png", "failures.png",
    }  # fmt: skip
    with pytest.raises(TinytrackError) as error:
        read_report(out / "davis2016-identity" / "results.json")
    assert_one_sentence(error, "results.json", "evaluate report")


def test_the_tables_follow_the_stored_file(made):
    results = read_report(made[1] / "results.json")
    results["runs"]["davis2016-identity"]["summary"]["J"] = 0.1234
    assert "| 12.3 |" in mask_table(results, "davis2016")
    results["runs"]["davis2016-tiny-gray-modern"]["sequences"]["eel"]["objects"]["1"]["J"] = [0.4321] * (FRAMES - 2)
    assert "| 43.2 |" in tables.sequence_table(results, "davis2016")


def test_nan_becomes_null_and_can_still_be_drawn(made, tmp_path):
    results = read_report(made[1] / "results.json")
    results["runs"]["davis2016-tiny-gray-modern"]["sequences"]["eel"]["object_color_error"][2] = float("nan")
    results["failures"] = report.failure_numbers(results["runs"])
    assert results["failures"]["object_color_error"]["frames"] == 3 * (FRAMES - 2) - 1
    assert results["failures"]["color_error"]["frames"] == 3 * (FRAMES - 2)
    report.write_report(results, tmp_path)
    assert "NaN" not in (tmp_path / "results.json").read_text()
    draw_report(read_report(tmp_path / "results.json"), tmp_path)
    assert (tmp_path / "figures" / "failures.png").is_file()


def test_joints_of_pose2sim_are_labelled_pseudo_ground_truth():
    def run(name, pck, protocol="modern"):
        facts = {"name": name, "sequences": ["a"], "note": "pseudo ground truth: detections" if name == "pose2sim" else ""}
        method = {"name": "tiny-gray" if protocol else "identity", "protocol": protocol, "model": None}
        return {"dataset": facts, "method": method, "summary": {"videos": 1, "pck": pck}, "sequences": {"a": {"frames": 3, "pck": pck}}}

    runs = {
        "badja-identity": run("badja", [0.0, 0.0, 0.1, 0.1, 0.1], None),
        "badja-tiny-gray-modern": run("badja", [0.1, 0.2, 0.3, 0.4, 0.5]),
        "badja-tiny-gray-refined-480": run("badja", [0.5, 0.6, 0.7, 0.8, 0.9], "refined-480"),
        "pose2sim-tiny-gray-modern": run("pose2sim", [0.6, 0.7, 0.8, 0.9, 1.0]),
    }
    results = {"runs": runs, "emergence": [], "training": {}, "failures": {}, "pictures": {}, "left_out": []}
    page = report_page(results, {})
    assert page.count("| BADJA | 1 | identity: first frame held still | none | 0.0 |") == 1
    assert "| BADJA | 1 | tiny-gray (this project) | refined-480 | 50.0 | 60.0 | 70.0 | 80.0 | 90.0 |" in page
    assert "| BADJA | 1 | tiny-gray (this project) | modern | 10.0 | 20.0 | 30.0 | 40.0 | 50.0 |" in page
    assert "| pose2sim (pseudo ground truth) | 1 | tiny-gray (this project) | modern | 60.0 | 70.0 | 80.0 | 90.0 | 100.0 |" in page
    assert "Nothing." in page.split("## Left out")[1]
    axes = pages.pck_chart(results).axes
    assert [a.get_title() for a in axes[:2]] == ["BADJA (1 video)", "pose2sim (1 video, pseudo ground truth)"]
    assert "60.0" in summary_text(results, "out")


# tracking emerges


def test_checkpoints_are_scored_in_order_and_stored_with_the_loss(made):
    out = made[1]
    results = read_report(out / "results.json")
    assert [row["step"] for row in results["emergence"]] == [0, 3]  # step 1 is not worth scoring, and step 3 is the last
    assert len({row["fingerprint"] for row in results["emergence"]}) == 2
    for row in results["emergence"]:
        assert row["summary"] == evaluation.read_results(out / "emergence" / f"step{row['step']:06d}" / "results.json")["summary"]
        assert {"J", "J&F", "color_error", "object_color_error", "wrong_cluster"} <= set(row["summary"])
    assert results["training"]["steps"] == len(results["training"]["loss"]) == 3
    model = load_model(out / "emergence" / "model.pt")
    assert model.card["loss"] == results["training"]["loss"]
    assert model.fingerprint() == results["emergence"][-1]["fingerprint"]
    assert results["emergence"][0]["minutes"] == 0
    assert results["emergence"][-1]["minutes"] == model.card["minutes"]
    figure = pages.emergence_chart(results)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [100 * row["summary"]["J"] for row in results["emergence"]])
    np.testing.assert_allclose(figure.axes[-1].lines[0].get_xdata(), [0.5, 1.5, 2.5])


def source_of(root):
    return {"name": "davis", "root": root, "year": 2016}


def test_emergence_is_left_out_with_a_reason(fast, tmp_path):
    assert report.emergence(None, tmp_path)[2] == ["tracking emerges, figure 4 (no DAVIS to score checkpoints on)"]
    rows, training, notes = report.emergence(source_of(write_davis(tmp_path / "davis", val=VAL[:1], train=())), tmp_path / "out")
    assert rows == []
    assert training == {}
    assert "no DAVIS train split" in notes[0]
    assert not (tmp_path / "out").exists()


def test_given_checkpoints_are_used_without_training(fast, tmp_path):
    davis = write_davis(tmp_path / "davis", val=VAL[:1])
    for step in (0, 3, 7, 10, 3000, 4000, 5000):
        model = random_model(seed=step)
        model.card = {"steps": step, "config": {"steps": 1000}, "command": "somebody's", "loss": [1.0], "minutes": step / 100}
        model.save(tmp_path / "out" / "checkpoints" / f"step{step:06d}.pt")
    fast.setattr(report, "fit", lambda *a, **k: pytest.fail("it trained"))
    rows, training, notes = report.emergence(source_of(davis), tmp_path / "out")
    assert [row["step"] for row in rows] == [0, 10, 3000, 5000]
    assert training["steps"] == 5000
    assert notes == []
    assert [row["minutes"] for row in rows] == [0, 0.1, 30, 50]
    del rows[1]["minutes"]  # older results lack this field
    lines = tables.emergence_table({"emergence": rows}).splitlines()
    assert [line.split(" | ")[:2] for line in lines[2:]] == [["| 0", "0.00"], ["| 10", "-"], ["| 3,000", "30.00"], ["| 5,000", "50.00"]]
    assert lines[0].startswith("| training step | minutes | J |")


def test_our_killed_training_run_starts_again_and_a_saved_one_is_resumed(fast, tmp_path):
    davis, calls = write_davis(tmp_path / "davis", val=VAL[:1]), []
    model = random_model()
    model.card = {"steps": 1, "config": {"steps": 3}, "command": report.BY, "loss": [1.0]}
    model.save(tmp_path / "out" / "checkpoints" / "step000001.pt")
    fast.setattr(report, "fit", lambda shots, config, **options: calls.append(options))
    report._train_checkpoints(davis, tmp_path / "out", "cpu")
    model.card["command"] = "python -m tinytrack train davis"  # the checkpoint next to it shows that this run isn't finished either
    model.save(tmp_path / "out" / "checkpoints" / "step000001.pt")
    (tmp_path / "out" / "model.unfinished.pt").touch()
    report._train_checkpoints(davis, tmp_path / "out", "cpu")
    assert [c["resume"] for c in calls] == [False, True]
    assert all(c["out"] == tmp_path / "out" / "model.pt" and c["checkpoints"] == tmp_path / "out" / "checkpoints" for c in calls)


# pictures


def test_the_pointer_figure_uses_pixels_inside_the_objects():
    mask = np.zeros((60, 90), np.uint8)
    mask[20:41, 10:61] = 1  # deepest in its middle row
    mask[45:50, 70:80] = pictures.VOID
    (_, inside), (_, end), (_, outside) = pictures.interior_points(mask)
    assert inside[1] == 30
    assert 20 <= inside[0] <= 50
    assert mask[end[1], end[0]] == 1
    assert abs(end[0] - inside[0]) > 15
    assert mask[outside[1], outside[0]] == 0
    many = np.zeros((60, 90), np.uint8)
    for n in (1, 2, 4, 7):
        many[5 * n : 5 * n + 5, 10:20] = n
    assert [many[y, x] for _, (x, y) in pictures.interior_points(many)] == [1, 2, 4]
    full = np.ones((30, 40), np.uint8)
    assert len(pictures.interior_points(full)) == 3


def test_attention_is_eq_2_over_all_references_together():
    f = torch.nn.functional.normalize(torch.randn(4, 8, 5, 6, generator=torch.manual_seed(0)), dim=1)
    f[1, :, 2, 3] = f[3, :, 4, 1]  # the target cell (column 1, row 4) appears at (column 3, row 2) of frame 1
    A = attention(f, [0, 1], np.array([[1, 4], [0, 0]]), 0.07)
    assert A.shape == (2, 2, 5, 6)
    np.testing.assert_allclose(A.sum((1, 2, 3)), 1, rtol=1e-5)
    assert np.unravel_index(int(A[0].argmax()), A[0].shape) == (1, 2, 3)
    logits = torch.einsum("d,rdhw->rhw", f[3, :, 4, 1], f[:2]) / 0.07
    np.testing.assert_allclose(A[0], logits.flatten().softmax(0).unflatten(0, (2, 5, 6)).numpy(), rtol=1e-4, atol=1e-7)


def test_the_pointer_figure_shows_the_window_only_where_tracking_has_one(monkeypatch):
    asked, whole = [], pictures.attention
    monkeypatch.setattr(
        pictures, "attention", lambda f, references, cells, T: (asked.append((references, cells)), whole(f, references, cells, T))[1]
    )
    scene = moving_shapes(0, 12, 64, 80, objects=1)
    truth = Truth("scene", lambda: iter(scene.frames), {t: lambda t=t: scene.masks[t] for t in range(12)}, scored=tuple(range(1, 12)))
    model = random_model()
    for first_anywhere in (True, False):
        protocol = dataclasses.replace(report.MODERN, size=64, radius=3, back=(1, 2, 3, 4), first_anywhere=first_anywhere)
        axes = np.array(pictures.pointer_figure(truth, model, protocol).axes).reshape(3, 5)
        assert [a.get_title() for a in axes[0]] == ["target: frame 7", *(f"reference: frame {t}" for t in (0, 3, 4, 6))]
        assert np.isnan(axes[0, 1].lines[0].get_xdata()).all() == first_anywhere
        box = axes[0, 2].lines[0].get_xydata()
        np.testing.assert_allclose(np.ptp(box, axis=0), 7 * 4)  # 2 x 3 + 1 cells of 4 pixels
        (x, y) = axes[0, 0].lines[0].get_xydata()[0]
        assert (box.min(0) < (x, y)).all()
        assert (box.max(0) > (x, y)).all()
        with_mask = [scene.masks[7][int(row[0].lines[0].get_ydata()[0]), int(row[0].lines[0].get_xdata()[0])] for row in axes]
        assert with_mask == [1, 1, 0]
        references, cells = asked[-1]
        assert references == [0, 3, 4, 5, 6]
        pixels = np.array([row[0].lines[0].get_xydata()[0] for row in axes])
        np.testing.assert_array_equal(cells, (pixels + 0.5) // 4)


def test_an_object_keeps_its_colour_through_the_video():
    f = torch.randn(5, 16, 6, 8, generator=torch.manual_seed(0)) * 0.01
    f[:, 0] += 1
    for t in range(5):
        f[t, 1, :, t : t + 2] += 5  # a moving bar
    colors = principal_colors(f, [0, 2, 4])
    assert colors.shape == (3, 6, 8, 3)
    assert colors.dtype == np.uint8
    assert (np.ptp(colors.reshape(-1, 3), axis=0) > 200).all()  # separate scales, or weak components would look flat
    bar = np.stack([colors[n, :, t] for n, t in enumerate((0, 2, 4))]).astype(int)
    rest = np.stack([colors[n, :, t + 3 if t < 4 else 0] for n, t in enumerate((0, 2, 4))]).astype(int)
    assert np.abs(bar[..., 0].mean((1,)) - rest[..., 0].mean((1,))).min() > 200
    assert np.ptp(bar[..., 0].mean(1)) < 20


def test_overlays_show_the_masks_of_the_frames_whose_j_is_printed(made):
    folder = made[1] / "davis2016-tiny-gray-modern"  # the masks of this method move, unlike those of identity
    record = evaluation.read_results(folder / "results.json")["sequences"]["crab"]
    truth = Truth("crab", lambda: iter(np.full((FRAMES, 64, 80, 3), 100, np.uint8)), scored=tuple(record["scored"]))
    figure = pictures.overlay_figure([truth], {"crab": record}, folder, "tiny-gray")
    j = record["objects"]["1"]["J"]
    notes = [a.texts[0].get_text() for a in figure.axes]
    assert notes == ["given", *(f"frame {t}: J {100 * j[t - 1]:.0f} %" for t in (3, 5, 7))]
    shown = np.asarray(figure.axes[2].images[0].get_array())
    with Image.open(folder / "masks" / "crab" / "00005.png") as picture:
        np.testing.assert_array_equal((shown != 100).any(-1), np.array(picture) > 0)


def test_figure_5_prints_the_stored_numbers(made):
    results = read_report(made[1] / "results.json")
    numbers = results["failures"]["object_color_error"]
    assert set(results["failures"]) == {"object_color_error", "color_error"}
    assert numbers != results["failures"]["color_error"]
    left, right = (axis.get_title() for axis in pages.failure_chart(results).axes)
    assert "3 videos" in left
    assert f"{numbers['per_video']['rho']:+.2f}" in left
    assert "21 frames" in right
    for question in ("per_frame", "within_videos", "time_removed"):
        low, high = numbers[question]["interval"]
        assert f"{numbers[question]['rho']:+.2f} [{low:+.2f}, {high:+.2f}]" in right
    page = (made[1] / "report.md").read_text()
    assert f"| over frames of all videos | {numbers['per_frame']['rho']:+.2f} [" in page


# analysis


def records(errors, j):
    """Records of videos in the format that ``evaluate`` writes."""
    return {
        f"v{n}": {"scored": list(range(1, len(e) + 1)), "color_error": list(e), "objects": {"1": {"J": list(v)}}}
        for n, (e, v) in enumerate(zip(errors, j, strict=True))
    }


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, 50).astype(float), rng.normal(size=50)
    assert analysis.rank_correlation(x, y + x) == pytest.approx(spearmanr(x, y + x).statistic, abs=1e-12)
    assert analysis.rank_correlation(x[:20], np.exp(x[:20])) == pytest.approx(1)
    x[3] = np.nan
    assert analysis.rank_correlation(x, y) == pytest.approx(spearmanr(np.delete(x, 3), np.delete(y, 3)).statistic)
    assert np.isnan(analysis.rank_correlation(np.ones(5), y[:5]))
    assert np.isnan(analysis.rank_correlation(y[:2], y[:2]))


def test_a_perfect_relation_gives_a_correlation_of_minus_one_everywhere():
    rng = np.random.default_rng(1)
    j = [rng.uniform(size=30) for _ in range(6)]
    answers = analysis.failures(records([10 - 9 * v for v in j], j), "color_error")
    assert answers["videos"] == 6
    assert answers["frames"] == 180
    for question in ("per_video", "per_frame", "within_videos", "time_removed"):
        assert answers[question]["rho"] == pytest.approx(-1, abs=0.001), question
    assert answers["per_frame"]["interval"] == pytest.approx([-1, -1], abs=0.001)


def test_unrelated_values_give_intervals_around_zero():
    rng = np.random.default_rng(2)
    answers = analysis.failures(records(rng.uniform(size=(10, 60)), rng.uniform(size=(10, 60))), "color_error")
    for question in ("per_frame", "within_videos", "time_removed"):
        assert abs(answers[question]["rho"]) < 0.12
    low, high = answers["time_removed"]["interval"]
    assert low < answers["time_removed"]["rho"] < high
    assert low < 0.05
    assert high > -0.05


def test_controlling_for_time_removes_a_relation_through_time_but_no_other():
    rng = np.random.default_rng(3)
    t = np.linspace(0, 1, 60)
    j = 1 - t + rng.normal(0, 0.1, (8, 60))
    error = t + rng.normal(0, 0.1, (8, 60))
    answers = analysis.failures(records(error, j), "color_error")
    assert answers["per_frame"]["rho"] < -0.8
    assert answers["within_videos"]["rho"] < -0.8
    assert abs(answers["time_removed"]["rho"]) < 0.1
    assert answers["time_removed"]["interval"][0] < 0 < answers["time_removed"]["interval"][1]
    together = analysis.failures(records(error, j - 3 * (error - t)), "color_error")
    assert together["time_removed"]["rho"] < -0.7
    np.testing.assert_allclose(analysis.time_removed(np.exp(5 * t)), 0, atol=1e-12)


def test_differences_between_videos_do_not_count_within_videos():
    rng = np.random.default_rng(4)
    level = np.linspace(0, 10, 8)[:, None]
    answers = analysis.failures(
        records(level + rng.uniform(size=(8, 50)), 1 - level / 10 + 0.01 * rng.uniform(size=(8, 50))), "color_error"
    )
    assert answers["per_video"]["rho"] < -0.95
    assert answers["per_frame"]["rho"] < -0.9
    assert abs(answers["within_videos"]["rho"]) < 0.15


def test_too_few_videos_give_no_correlation():
    answers = analysis.failures(records(np.ones((2, 5)), np.ones((2, 5))), "color_error")
    assert answers["per_video"] == {"rho": None, "interval": None}
    assert analysis.failures({}, "color_error")["videos"] == 0
    assert report.failure_numbers({}) == {}


def test_the_bootstrap_interval_has_its_nominal_coverage():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        x = rng.normal(3, 1, 30)
        low, high = analysis.bootstrap(30, lambda drawn, x=x: x[drawn].mean(), samples=200)
        hits += low <= 3 <= high
    assert 0.82 < hits / 200 < 0.95
    assert analysis.bootstrap(30, lambda drawn: x[drawn].mean()).tolist() == analysis.bootstrap(30, lambda drawn: x[drawn].mean()).tolist()


def test_j_over_time_averages_the_videos_that_are_still_running():
    short, long = {"scored": [1, 2], "objects": {"1": {"J": [1.0, 0.5]}}}, {"scored": [1, 2, 3], "objects": {"1": {"J": [0.6, 0.3, 0.2]}}}
    long["objects"]["2"] = {"J": [0.2, 0.1, 0.4]}  # two objects count once, by their mean
    curve = analysis.over_time({"a": short, "b": long})
    assert curve["frame"].tolist() == [1, 2, 3]
    assert curve["videos"].tolist() == [2, 2, 1]
    np.testing.assert_allclose(curve["mean"], [0.7, 0.35, 0.3])
    assert (curve["low"] <= curve["mean"] + 1e-9).all()
    assert (curve["mean"] <= curve["high"] + 1e-9).all()
    np.testing.assert_allclose([curve["low"][0], curve["high"][0]], [0.4, 1.0])


def test_the_report_modules_do_not_import_matplotlib_directly():
    for module in (report, pages, pictures, analysis, tables):
        assert "import matplotlib" not in Path(module.__file__).read_text()

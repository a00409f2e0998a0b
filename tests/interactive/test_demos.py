"""The demos of the notebooks, driven from Python through their widgets: the text and pictures they show, and what they store."""

import asyncio
import html
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import tinytrack.interactive.emergence as emergence_demo
import tinytrack.interactive.pointer_explorer as pointer_demo
from tests.support.helpers import assert_one_sentence, index_frames
from tinytrack import draw
from tinytrack.color import Palette, chroma, frames_to_lab
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import ModelError
from tinytrack.evaluation.baselines import baseline_model
from tinytrack.evaluation.metrics import region_j
from tinytrack.interactive import demo_pictures
from tinytrack.interactive.canvas import picture_bytes
from tinytrack.interactive.emergence import emergence
from tinytrack.interactive.palette_explorer import palette_explorer
from tinytrack.interactive.player import player
from tinytrack.interactive.pointer_explorer import pointer_explorer
from tinytrack.model import load_model, random_model
from tinytrack.propagate import MODERN, PAPER
from tinytrack.recipe import TINY
from tinytrack.track import Carried, embed_video, track_masks
from tinytrack.train import Trainer

H, W = 48, 64
SCENE = moving_shapes(1, frames=12, height=H, width=W)
FRAMES = SCENE.frames
SMALL = replace(MODERN, size=H)
NAMES = ("first", "second", "third")


def plain(widget) -> str:
    """The text that an HTML widget shows to a reader."""
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value.replace("<br>", "\n")))


def shows(stage, picture) -> bool:
    return stage.data == picture_bytes(picture)


# ---- 01: the palette explorer


def error_of(demo):
    return float(re.search(r"off by ([\d.]+) Lab units", plain(demo.text))[1])


def test_a_palette_explorer_shows_the_frame_in_the_chosen_number_of_colours():
    demo = palette_explorer(FRAMES, 6)
    palette = demo.palette(6)
    assert len(palette) == 6 == demo.k.value
    assert demo.frame.value == 0
    assert demo.frame.max == 11
    assert shows(demo.stage, demo_pictures.palette_picture(FRAMES[0], palette))
    ab = frames_to_lab(FRAMES[0])[1:]
    error = float(chroma(palette.decode(palette.hard(ab)) - ab).mean())
    assert plain(demo.text) == f"6 colours: a pixel of frame 0 is off by {error:.2f} Lab units on average"
    assert demo.stage.label == f"Frame 0 in 6 colours, {error:.2f} Lab units off"


def test_more_colours_give_a_smaller_error():
    demo = palette_explorer(FRAMES)
    assert demo.k.value == 16
    errors, pictures = [], set()
    for k in (2, 4, 8, 16, 32, 64):
        demo.k.value = k
        assert plain(demo.text).startswith(f"{k} colours: a pixel of frame 0 ")
        errors.append(error_of(demo))
        pictures.add(demo.stage.data)
    assert all(less < 0.9 * more for more, less in zip(errors, errors[1:], strict=False))
    assert len(pictures) == 6


def test_another_frame_has_the_same_palette_and_its_own_error():
    demo = palette_explorer(FRAMES, 4)
    before = demo.text.value
    demo.frame.value = 7
    assert shows(demo.stage, demo_pictures.palette_picture(FRAMES[7], demo.palette(4)))
    assert "a pixel of frame 7 " in demo.text.value
    assert demo.text.value != before
    assert demo.stage.label.startswith("Frame 7 in 4 colours")
    demo.frame.value = 0
    assert demo.text.value == before


def test_each_palette_is_fitted_only_once(monkeypatch):
    asked = []
    fit = Palette.fit
    monkeypatch.setattr(Palette, "fit", lambda colors, k, **options: asked.append(k) or fit(colors, k, **options))
    demo = palette_explorer(FRAMES, 4)
    for k in (5, 4, 5):
        demo.k.value = k
    demo.frame.value = 3
    assert asked == [4, 5]


def test_a_video_with_too_few_colours_gets_a_smaller_palette():
    demo = palette_explorer(index_frames(1), 16)
    assert plain(demo.text).startswith("3 colours: ")
    assert error_of(demo) < 0.06
    assert "Frame 0 in 3 colours" in demo.stage.label


def test_the_still_of_a_palette_explorer_describes_the_frame():
    demo = palette_explorer(FRAMES, 5)
    assert demo.still.alt.startswith("Frame 0 in 5 colours")
    assert len(demo.still.axes) == 1


# ---- 03, 05: the pointer explorer


def attention_by_hand(demo, name, device):
    """Compute Eq. 2 for one pixel cell by cell. Returns the attention (R, h, w) and the pixel's cell (column, row)."""
    makers = {"tiny-gray": lambda: load_model("tiny-gray", device), "random": lambda: random_model(device=device)}
    model = makers.get(name, lambda: baseline_model(name, device))()
    references = demo.references()
    f = [embed_video([FRAMES[t]], model, SMALL)[0].double().numpy() for t in (*references, demo.at.value)]
    h, w = f[0].shape[1:]
    column, row = (min(int((p + 0.5) / side * n), n - 1) for p, side, n in zip(demo.point, (W, H), (w, h), strict=True))
    logits = np.full((len(references), h, w), -np.inf)
    for r in range(len(references)):
        for y in range(h):
            for x in range(w):
                if not demo.radius.value or max(abs(y - row), abs(x - column)) <= demo.radius.value:
                    logits[r, y, x] = f[r][:, y, x] @ f[-1][:, row, column] / demo.temperature.value
    if demo.top_k.value:
        logits[logits < np.sort(logits, axis=None)[-demo.top_k.value]] = -np.inf
    weights = np.exp(logits - logits.max())
    return weights / weights.sum(), (column, row)


SETTINGS = {
    "as it starts": {},
    "sharp": {"temperature": 0.01},
    "a window": {"radius": 2},
    "top-k": {"top_k": 5},
    "a window and top-k": {"radius": 4, "top_k": 7},
    "a window wider than the frame": {"radius": 30},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("features", ["random network", "raw Lab patches"])
def test_a_pixel_points_where_eq_2_points(settings, features, device):
    demo = pointer_explorer(FRAMES, 6, (0, 3), protocol=SMALL, point=(20, 30), device=str(device))
    demo.which.value = features
    for name, value in settings.items():
        getattr(demo, name).value = value
    expected, at = attention_by_hand(demo, demo.MODELS[features], device)
    references, heat, cell = demo.answer()
    assert references == [0, 3]
    assert cell == at == (5, 7)
    assert heat.shape == (2, 12, 16)
    np.testing.assert_allclose(heat, expected, atol=2e-3 * expected.max())
    assert heat.sum() == pytest.approx(1, abs=1e-4)
    if settings.get("top_k"):
        assert (heat > 0).sum() == settings["top_k"], "the top k are chosen jointly over both frames"
    box = None
    if settings.get("radius"):
        left, top, right, bottom = (v * 4 - 0.5 for v in (max(0, 5 - demo.radius.value), max(0, 7 - demo.radius.value), 16, 12))
        right, bottom = min(4 * (6 + demo.radius.value) - 0.5, W - 1), min(4 * (8 + demo.radius.value) - 0.5, H - 1)
        box = [max(left, 0), max(top, 0), right, bottom]
    for (stage, text), t, values in zip(demo.slots, references, heat, strict=True):
        share = f"{100 * values.sum():.0f} %"
        assert plain(text) == f"frame {t}: {share}"
        assert stage.label == f"Reference frame {t}: {share} of the attention"
        assert shows(stage, demo_pictures.attention_picture(FRAMES[t], values, heat.max(), box))
    strongest = np.sort(heat, axis=None)[::-1]
    told = f"the strongest cell has {100 * strongest[0]:.0f} %, ten have {100 * strongest[:10].sum():.0f} %"
    assert told in plain(demo.text)


def test_the_trained_network_is_the_default():
    demo = pointer_explorer(FRAMES, 6, (0, 3), protocol=SMALL, device="cpu")
    expected, _ = attention_by_hand(demo, "tiny-gray", "cpu")
    np.testing.assert_allclose(demo.answer()[1], expected, atol=2e-3 * expected.max())


def pointing(references=(0, 3), at=6, **options):
    """A pointer explorer with features that need no network."""
    options = {"protocol": SMALL, "device": "cpu"} | options
    demo = pointer_explorer(FRAMES, at, references, **options)
    demo.which.value = "raw Lab patches"
    return demo


def test_a_click_selects_another_pixel():
    demo = pointing()
    assert demo.point == (W // 2, H // 2), "the default is the middle of the frame"
    old = [stage.data for stage, _ in demo.slots], demo.text.value
    demo.stage.hear({"kind": "point", "phase": "down", "place": [10, 41]})
    assert demo.point == (10.0, 41.0)
    assert demo.answer()[2] == (2, 10)
    assert all(stage.data != before for (stage, _), before in zip(demo.slots, old[0], strict=True))
    assert demo.text.value != old[1]
    assert shows(demo.stage, demo_pictures.aim(FRAMES[6], (10, 41)))
    assert demo.stage.label == "Target frame 6, asked at x 10, y 41: click another pixel"


@pytest.mark.parametrize("phase, moves", [("down", True), ("drag", True), ("hover", True), ("up", False)])
def test_releasing_the_mouse_does_not_move_the_point(phase, moves):
    demo = pointing()
    demo.stage.hear({"kind": "point", "phase": phase, "place": [3, 4]})
    assert (demo.point == (3.0, 4.0)) == moves


@pytest.mark.parametrize("place, cell", [([-0.5, -0.5], (0, 0)), ([W - 0.5, H - 0.5], (15, 11)), ([3.4, 3.6], (0, 1))])
def test_every_point_of_the_frame_belongs_to_a_cell(place, cell):
    demo = pointing()
    demo.stage.hear({"kind": "point", "phase": "down", "place": place})
    assert demo.answer()[2] == cell
    assert "Lab units off" in plain(demo.text)


def test_the_point_follows_the_mouse_on_request():
    demo = pointing()
    assert demo.stage.active
    assert not demo.stage.hover
    assert demo.stage.size == (W, H)
    demo.follow.value = True
    assert demo.stage.hover
    demo.follow.value = False
    assert not demo.stage.hover


def test_a_lower_temperature_sharpens_the_attention():
    demo = pointing()
    shares = []
    for temperature in (0.1, 0.01, 0.004):
        demo.temperature.value = temperature
        shares.append(int(re.search(r"ten have (\d+) %", plain(demo.text))[1]))
    assert shares[0] < shares[1] < shares[2]


def test_the_default_references_are_those_of_the_protocol():
    protocol = replace(SMALL, back=(1, 2, 4))
    demo = pointing(None, protocol=protocol)
    seen = {}
    for at in (6, 1, 3, 11):
        demo.at.value = at
        seen[at] = demo.references()
        assert [plain(text).split(":")[0] for _, text in demo.slots] == [f"frame {t}" for t in seen[at]]
        assert [tuple(panel.children) for panel in demo.panels.children] == demo.slots, "one panel per reference"
    assert seen == {6: [0, 2, 4, 5], 1: [0], 3: [0, 1, 2], 11: [0, 7, 9, 10]}


def test_a_frame_does_not_point_at_itself():
    demo = pointing((0, 3, 6))
    assert demo.references() == [0, 3]
    assert len(demo.slots) == 2
    demo.at.value = 3
    assert demo.references() == [0, 6]
    assert plain(demo.slots[1][1]).startswith("frame 6: ")
    demo.at.value = 5
    assert demo.references() == [0, 3, 6]
    assert len(demo.panels.children) == 3
    assert demo.stage.label.startswith("Target frame 5, ")


def test_the_only_reference_may_become_the_target():
    demo = pointing((3,))
    demo.at.value = 3
    assert demo.references() == demo.protocol.references(3)
    assert 3 not in demo.references()
    assert demo.stage.label.startswith("Target frame 3, ")
    assert plain(demo.slots[0][1]).startswith("frame 0: ")


def test_another_network_points_elsewhere_and_is_loaded_once(monkeypatch):
    demo = pointing()
    calls = []
    embed = pointer_demo.embed_video
    monkeypatch.setattr(pointer_demo, "embed_video", lambda frames, *rest: calls.append(len(frames)) or embed(frames, *rest))
    pictures = {}
    for name in ("raw gray patches", "random network", "raw Lab patches", "raw gray patches", "random network"):
        demo.which.value = name
        pictures.setdefault(name, set()).add((demo.slots[0][0].data, demo.text.value))
    assert all(len(seen) == 1 for seen in pictures.values())
    assert len({next(iter(seen)) for seen in pictures.values()}) == 3
    assert calls == [1] * 6, "two networks embed three frames, each frame once"


def test_a_pixel_copies_the_label_and_the_colour_it_points_at():
    """All frames are the same and the temperature is low, so every pixel points at itself."""
    still = FRAMES[:1].repeat(4, axis=0)
    demo = pointer_explorer(still, 3, (0, 1), SCENE.masks[:1].repeat(4, axis=0), NAMES, SMALL, device="cpu")
    demo.which.value, demo.temperature.value = "raw Lab patches", 10**-2.5
    for n, name in enumerate(("background", *NAMES)):
        inner = np.array([(SCENE.masks[0][y : y + 4, x : x + 4] == n).all() for y in range(0, H, 4) for x in range(0, W, 4)])
        row, column = divmod(int(np.flatnonzero(inner)[len(np.flatnonzero(inner)) // 2]), W // 4)
        x, y = 4 * column + 1, 4 * row + 2
        demo.ask("down", x, y)
        share = re.search(rf"copied label: {name} (\d+) %", plain(demo.text))
        assert share, plain(demo.text)
        assert int(share[1]) > 80, plain(demo.text)
        # The copied colour is close to the mean of the cell that contains the pixel.
        lab = frames_to_lab(still[0])[1:]
        cell, own = lab[:, y - 2 : y + 2, x - 1 : x + 3].mean((1, 2)), lab[:, y, x]
        off = float(re.search(r"([\d.]+) Lab units off", plain(demo.text))[1])
        assert off == pytest.approx(float(torch.dist(cell, own)), abs=3)


def test_colours_are_averaged_with_the_attention_as_weights():
    demo = pointing()
    demo.ask("down", 29, 21)
    references, heat, _ = demo.answer()
    copied = 0
    for t, values in zip(references, heat, strict=True):
        cells = frames_to_lab(FRAMES[t])[1:].reshape(2, 12, 4, 16, 4).mean((2, 4))
        copied = copied + (cells * torch.tensor(values)).sum((1, 2))
    off = float(torch.dist(copied, frames_to_lab(FRAMES[6])[1:, 21, 29]))
    assert plain(demo.text).splitlines()[0] == f"copied colour  true  {off:.1f} Lab units off"
    patches = re.findall(r"rgb\(([\d,]+)\)", demo.text.value)
    assert patches[1] == ",".join(str(v) for v in FRAMES[6][21, 29]), "the true colour is that of the pixel itself"


def test_labels_are_weighted_by_the_attention():
    masks = {3: SCENE.masks[3], 0: SCENE.masks[0]}
    demo = pointing(masks=masks, names=NAMES)
    demo.ask("down", 30, 20)
    references, heat, _ = demo.answer()
    shares = np.zeros(4)
    for t, values in zip(references, heat, strict=True):
        for n in range(4):
            share = (masks[t] == n).reshape(12, 4, 16, 4).mean((1, 3))
            shares[n] += (share * values).sum()
    order = [n for n in np.argsort(-shares) if shares[n] > 0.005]
    told = ", ".join(f"{('background', *NAMES)[n]} {100 * shares[n]:.0f} %" for n in order)
    assert plain(demo.text).splitlines()[-1] == f"copied label: {told}"
    assert len(order) > 1


def test_masks_may_be_a_list_and_without_masks_there_is_no_label():
    given, listed = pointing(masks={t: SCENE.masks[t] for t in (0, 3)}, names=NAMES), pointing(masks=SCENE.masks, names=NAMES)
    assert given.text.value == listed.text.value
    assert "copied label" in given.text.value
    assert "copied label" not in pointing().text.value
    assert "copied label" not in pointing(masks={1: SCENE.masks[1]}, names=NAMES).text.value, "frame 1 is not a reference"


@pytest.mark.parametrize(
    "names, told", [((), ("object 1", "object 2", "object 3")), (("first", "second"), ("first", "second", "object 3"))]
)
def test_labels_without_names_are_numbered(names, told):
    some, all_of_them = pointing(masks=SCENE.masks, names=names), pointing(masks=SCENE.masks, names=told)
    for n, name in enumerate(told, start=1):
        for demo in (some, all_of_them):
            demo.ask("down", *np.argwhere(SCENE.masks[6] == n).mean(0)[::-1])
        assert name in plain(some.text).splitlines()[-1]
        assert some.text.value == all_of_them.text.value


def test_a_pixel_that_points_at_frames_without_labels_copies_none():
    frames = FRAMES.copy()
    frames[0] = 255 - frames[6]
    frames[3] = frames[6]  # all attention goes to this frame
    demo = pointer_explorer(frames, 6, (0, 3), {0: SCENE.masks[0]}, NAMES, SMALL, device="cpu")
    demo.which.value, demo.temperature.value = "raw Lab patches", 10**-2.5
    assert plain(demo.slots[1][1]) == "frame 3: 100 %"
    assert plain(demo.text).splitlines()[-1] == "copied label: none; it points at frames without labels"


def test_object_names_are_shown_as_text_and_not_as_html():
    demo = pointing(masks=SCENE.masks, names=("<i>a</i> & b", "second", "third"))
    demo.ask("down", *np.argwhere(SCENE.masks[6] == 1).mean(0)[::-1])
    assert "<i>" not in demo.text.value
    assert "&lt;i&gt;a&lt;/i&gt; &amp; b" in demo.text.value


def test_the_still_of_a_pointer_explorer_shows_where_it_points():
    demo = pointer_explorer(FRAMES, 6, (0, 3), protocol=SMALL, point=(20, 30), device="cpu")
    assert demo.point == (20.0, 30.0)
    alt = demo.still.alt
    assert "target: frame 6, reference: frame 0, reference: frame 3" in alt
    shares = [int(v) for v in re.findall(r"(\d+) % of the attention", alt)]
    assert len(shares) == 2
    assert 99 <= sum(shares) <= 101
    many = pointer_explorer(FRAMES, 11, None, protocol=SMALL, device="cpu")
    shares = many.answer()[1].sum((1, 2))
    columns = ", ".join(f"reference: frame {many.references()[i]}" for i in sorted(np.argsort(-shares)[:3]))
    assert len(many.slots) == 8, "the still shows the three references with the most attention"
    assert f"Columns: target: frame 11, {columns}. " in many.still.alt, "the still shows the three references with the most attention"


# ---- 04: emergence

CONFIG = replace(TINY, height=H, crop=32, batch=2, jitter=2, steps=4)
SHORT = FRAMES[:4]


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """A coarser version of the paper's protocol, because tracking with each checkpoint takes most of the time."""
    monkeypatch.setattr(emergence_demo, "PAPER", replace(PAPER, size=(64, 64), grid=(16, 16)))


def training(config=CONFIG, truth=None, device="cpu", **options):
    return emergence([FRAMES], SHORT, SCENE.masks[0], truth, config, at=(1, 3, 40), device=str(device), **options)


def stop_at(monkeypatch, demo, count, also=lambda: None):
    """Press Stop during the step that brings the step counter to ``count``."""
    step = Trainer.step

    def patched(trainer):
        loss = step(trainer)
        if trainer.count == count:
            also()
            demo.stop.click()
        return loss

    monkeypatch.setattr(Trainer, "step", patched)


def usable(demo):
    """Names of the controls that are enabled."""
    return {name for name in ("go", "stop", "again", "steps") if not getattr(demo, name).disabled}


def options_of(demo):
    return list(demo.scrubber.options)


def test_before_training_the_demo_is_empty():
    demo = training()
    assert usable(demo) == {"go", "steps"}
    assert demo.scrubber.disabled
    assert options_of(demo) == [("none yet", -1)]
    assert demo.model is None
    assert demo.models == {}
    assert demo.still is None
    assert demo.picture.data == b""
    assert plain(demo.text) == "random weights: press Train"
    assert demo.curve.label == "The loss so far: no step yet"
    assert demo.steps.value == 4
    assert shows(demo.curve, demo_pictures.emergence_picture([]))


def test_training_to_the_end_keeps_a_model_at_each_checkpoint(monkeypatch, device):
    monkeypatch.undo()  # use the paper's protocol unchanged
    demo = training(truth={t: SCENE.masks[t] for t in (0, 1, 3, 9)}, device=device)
    curve = demo.curve.data
    demo.go.click()
    assert demo.trainer.done
    assert len(demo.trainer.losses) == 4
    assert list(demo.models) == list(demo.looks) == [0, 1, 3, 4]
    assert options_of(demo) == [(f"step {n}", n) for n in (0, 1, 3, 4)]
    loss = np.mean(demo.trainer.losses)
    assert re.fullmatch(rf"step 4 of 4: loss {loss:.2f}, [\d.]+ clips/s — done", plain(demo.text))
    assert demo.curve.label == f"Loss after 4 steps: {loss:.2f} nats"
    assert demo.curve.data != curve
    assert (demo.bar.value, demo.bar.max) == (4, 4)
    assert usable(demo) == {"go", "steps"}
    assert not demo.scrubber.disabled
    assert demo.models[4].fingerprint() == demo.model.fingerprint()
    assert len({model.fingerprint() for model in demo.models.values()}) == 4

    assert demo.scrubber.value == 4, "the newest checkpoint is shown"
    tracked = list(track_masks(SHORT, SCENE.masks[0], demo.models[4], PAPER))
    j = np.mean([region_j(tracked[t] == n, SCENE.masks[t] == n) for t in (1, 3) for n in (1, 2, 3)])
    assert plain(demo.note) == f"step 4: J {100 * j:.0f} % (mean over 3 objects, frames 1, 3)"
    gray = draw.to_gray(SHORT)
    panels = [draw.magnified(draw.overlay(gray[t], tracked[t]), 240)[0] for t in (1, 3)]
    assert shows(demo.picture, draw.side_by_side(panels, ["frame 1", "frame 3"])), "frame 40 does not exist, so it is left out"


def test_the_scrubber_shows_the_stored_checkpoints():
    demo = training(truth={3: SCENE.masks[3]})
    demo.go.click()
    for step in (0, 3, 1):
        demo.scrubber.value = step
        picture, said = demo.looks[step]
        assert shows(demo.picture, picture)
        assert plain(demo.note) == said
        assert said.startswith(f"step {step}: J ")
        assert demo.picture.label == f"Masks carried from frame 0 by the network of {said}"


def test_without_true_masks_there_is_no_score():
    demo = training(replace(CONFIG, steps=1))
    demo.go.click()
    assert [said for _, said in demo.looks.values()] == ["step 0", "step 1"]


@pytest.mark.usefixtures("one_thread")
def test_stop_keeps_the_trained_network_and_train_resumes(monkeypatch):
    demo, whole = training(), training()
    during = []
    with monkeypatch.context() as patch:
        stop_at(patch, demo, 2, lambda: during.append(usable(demo)))
        demo.go.click()
    assert during == [{"stop"}]
    assert demo.trainer.count == 2
    assert list(demo.models) == [0, 1, 2]
    assert demo.scrubber.value == 2
    assert demo.models[2].fingerprint() == demo.model.fingerprint()
    assert plain(demo.text).startswith("step 2 of 4: loss ")
    assert plain(demo.text).endswith("— stopped, and kept: Train goes on from here")
    assert usable(demo) == {"go", "again"}, "the length of a run that has started cannot be changed"
    assert demo.bar.value == 2, "the length of a run that has started cannot be changed"

    trainer, losses = demo.trainer, list(demo.trainer.losses)
    demo.go.click()
    assert demo.trainer is trainer
    assert trainer.count == 4
    assert trainer.losses[:2] == losses
    assert list(demo.models) == [0, 1, 2, 3, 4]
    assert plain(demo.text).endswith("— done")
    whole.go.click()
    assert whole.model.fingerprint() == demo.model.fingerprint(), "the result is the same as without the stop"
    assert whole.trainer.losses == trainer.losses


def test_resuming_keeps_showing_the_selected_old_checkpoint(monkeypatch):
    demo = training()
    with monkeypatch.context() as patch:
        stop_at(patch, demo, 2)
        demo.go.click()
    demo.scrubber.value = 1
    picture = demo.picture.data
    demo.go.click()
    assert demo.scrubber.value == 1
    assert demo.picture.data == picture
    assert options_of(demo)[-1] == ("step 4", 4)


def test_a_stopped_run_can_be_discarded(monkeypatch):
    demo = training()
    with monkeypatch.context() as patch:
        stop_at(patch, demo, 2)
        demo.go.click()
    trainer, first = demo.trainer, demo.models[1].fingerprint()
    assert demo.bar.value == 2
    assert plain(demo.note) == "step 2"
    demo.again.click()
    assert demo.trainer is None
    assert demo.model is None
    assert usable(demo) == {"go", "steps"}
    assert demo.models == demo.looks == {}
    assert options_of(demo) == [("none yet", -1)]
    assert demo.scrubber.disabled
    assert plain(demo.text) == "random weights: press Train"
    assert demo.note.value == ""
    assert demo.bar.value == 0
    assert shows(demo.curve, demo_pictures.emergence_picture([]))
    assert demo.curve.label == "The loss so far: no step yet"
    assert demo.picture.label == "No checkpoint yet"
    demo.steps.value = 1
    demo.go.click()
    assert demo.trainer is not trainer
    assert demo.trainer.config.steps == 1
    assert list(demo.models) == [0, 1]
    assert options_of(demo) == [("step 0", 0), ("step 1", 1)]
    assert first != demo.models[0].fingerprint()


def test_a_stop_before_the_first_step_is_reported_without_a_loss(monkeypatch):
    demo = training()
    keep = demo.keep
    monkeypatch.setattr(demo, "keep", lambda *args: (keep(*args), demo.stop.click()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(demo.train())
    assert plain(demo.text) == "step 0 of 4 — stopped, and kept: Train goes on from here"
    assert list(demo.models) == [0]
    assert usable(demo) == {"go", "again"}
    assert demo.curve.label == "The loss so far: no step yet"


def test_masks_are_also_tracked_between_checkpoints_from_time_to_time(monkeypatch):
    monkeypatch.setattr(emergence_demo, "REFRESH", 0.0)
    demo = training(replace(CONFIG, steps=3))
    demo.go.click()
    assert list(demo.models) == [0, 1, 2, 3], "step 2 is not a checkpoint"
    assert list(demo.looks) == [n for _, n in options_of(demo)] == [0, 1, 2, 3]


def test_training_that_cannot_start_reports_the_reason():
    demo = emergence([FRAMES[:, :20]], SHORT, SCENE.masks[0], config=CONFIG, device="cpu")
    demo.go.click()
    assert_one_sentence(plain(demo.text), "at least 32 pixels")
    assert usable(demo) == {"go", "steps"}
    assert demo.model is None
    assert not demo.running


def test_training_that_diverges_reports_it_and_keeps_earlier_checkpoints(monkeypatch):
    step = Trainer.step

    def diverge(trainer):
        if trainer.count == 2:
            raise ModelError("training diverged at step 2: the loss is <nan>")
        return step(trainer)

    monkeypatch.setattr(Trainer, "step", diverge)
    demo = training()
    demo.go.click()
    assert plain(demo.text) == "training diverged at step 2: the loss is <nan>"
    assert "<nan>" not in demo.text.value
    assert list(demo.models) == [0, 1]
    assert usable(demo) == {"go", "again"}
    assert demo.trainer.count == 2


def test_train_after_the_end_starts_a_new_run(monkeypatch):
    demo = training(replace(CONFIG, steps=1))
    demo.go.click()
    trainer = demo.trainer
    demo.steps.value = 3
    demo.go.click()
    assert demo.trainer is not trainer
    assert demo.trainer.config == replace(CONFIG, steps=3)
    assert list(demo.models) == [0, 1, 3]
    assert demo.scrubber.value == 3
    assert demo.bar.max == 3


def test_pressing_train_during_training_does_not_start_a_second_run(monkeypatch):
    demo = training(replace(CONFIG, steps=3))
    stop_at(monkeypatch, demo, 1, demo.go.click)
    demo.go.click()
    assert demo.trainer.count == 1
    assert list(demo.models) == [0, 1]


def test_given_checkpoints_appear_on_the_scrubber_immediately():
    models = {30: random_model(seed=1), 0: random_model(), 10: random_model(seed=2), 1: random_model(seed=3), 3: random_model(seed=4)}
    demo = training(truth={3: SCENE.masks[3]}, models=models)
    assert options_of(demo) == [(f"step {n}", n) for n in (0, 1, 3, 10, 30)]
    assert demo.scrubber.value == 30
    assert shows(demo.picture, demo.looks[30][0])
    assert not demo.scrubber.disabled
    assert demo.models[10] is models[10]
    assert demo.trainer is None
    rows = [demo.looks[n][1].split(" (")[0].replace(":", "") for n in (0, 3, 30)]
    assert all("J" in row for row in rows)
    assert f"Rows: {', '.join(rows)}" in demo.still.alt


def test_the_loss_of_uniform_attention_is_drawn_on_the_curve(monkeypatch):
    demo = training(replace(CONFIG, steps=1), level=2.5)
    assert shows(demo.curve, demo_pictures.emergence_picture([], level=2.5))
    demo.go.click()
    assert shows(demo.curve, demo_pictures.emergence_picture(demo.trainer.losses, [0, 1], level=2.5))


# ---- 05, 06, 07: the player

ZERO = np.zeros((H, W), np.uint8)
TRACKS = {
    "flow": list(SCENE.masks),
    "joints": list(SCENE.joints),
    "mine": [Carried(ids, xy, np.ones(len(xy))) for ids, xy in zip(SCENE.masks, SCENE.joints, strict=True)],
    "nobody": [None] * len(FRAMES),
}
SCORES = {"flow": {4: 0.5, 8: 0.25}, "joints": {4: 1.0}}


def watching(scores=SCORES, **options):
    demo = player(FRAMES, TRACKS, scores, edges=SCENE.edges, **options)
    for stage in demo.stages:  # simulate a browser that answers every frame
        stage.send = lambda message, stage=stage: "mark" in message and stage.hear({"kind": "painted", "mark": message["mark"]})
    return demo


def drawn(name, t, strength=0.5):
    items = {"flow": Carried(ids=SCENE.masks[t]), "joints": Carried(xy=SCENE.joints[t]), "mine": TRACKS["mine"][t]}
    return draw.carried_picture(FRAMES[t], items.get(name, Carried()), SCENE.edges, strength)


def test_a_player_shows_two_methods_side_by_side():
    demo = watching()
    assert [which.value for which in demo.which] == ["flow", "joints"]
    assert [list(which.options) for which in demo.which] == [["(nothing)", *TRACKS]] * 2
    assert all(shows(stage, drawn(which.value, 0)) for stage, which in zip(demo.stages, demo.which, strict=True))
    assert [stage.label for stage in demo.stages] == ["Frame 0: optical flow", "Frame 0: joints"]
    demo.frame.value = 5
    assert all(shows(stage, drawn(which.value, 5)) for stage, which in zip(demo.stages, demo.which, strict=True))
    assert demo.stages[1].label == "Frame 5: joints"
    assert demo.frame.max == 11


def test_methods_can_be_switched():
    demo = watching()
    demo.frame.value = 4
    for name in ("mine", "nobody", "(nothing)", "flow"):
        demo.which[1].value = name
        assert shows(demo.stages[1], drawn(name, 4))
        assert demo.stages[1].label == f"Frame 4: {draw.label(name)}"
        assert shows(demo.stages[0], drawn("flow", 4)), "the other panel is unchanged"
    assert len({drawn(name, 4).tobytes() for name in ("flow", "joints", "mine", "nobody")}) == 4
    np.testing.assert_array_equal(drawn("nobody", 4), drawn("(nothing)", 4))


def test_a_single_method_is_shown_next_to_the_plain_frame():
    demo = player(FRAMES, {"flow": SCENE.masks})
    assert [which.value for which in demo.which] == ["flow", "(nothing)"]
    assert demo.curve is None
    assert shows(demo.stages[1], draw.magnified(FRAMES[0], 400)[0])


def test_overlay_and_opacity_change_the_drawing():
    demo = watching()
    demo.frame.value = 3
    seen = []
    for opacity in (0.05, 0.5, 1.0):
        demo.opacity.value = opacity
        assert shows(demo.stages[0], drawn("flow", 3, opacity))
        seen.append(demo.stages[0].data)
    demo.overlay.value = False
    assert all(shows(stage, draw.magnified(FRAMES[3], 400)[0]) for stage in demo.stages)
    demo.overlay.value = True
    assert demo.stages[0].data == seen[-1]
    assert len(set(seen)) == 3


def test_scores_are_printed_for_frames_that_have_them():
    demo = watching(metric="PCK")
    said = {}
    for t in (0, 4, 8):
        demo.frame.value = t
        said[t] = [plain(text).strip("\xa0 ") for text in demo.said]
    assert said == {0: ["", ""], 4: ["frame 4: PCK 50 %", "frame 4: PCK 100 %"], 8: ["frame 8: PCK 25 %", ""]}
    assert demo.said[1].value, "an empty line keeps its height"
    demo.which[1].value = "flow"
    assert plain(demo.said[1]) == "frame 8: PCK 25 %"


def test_a_click_on_the_curve_jumps_to_the_frame_under_the_cursor():
    demo = watching()
    chart, (left, right) = demo_pictures.score_picture(SCORES, len(FRAMES), "J")
    assert demo.curve.active
    assert demo.curve.size == (chart.shape[1], chart.shape[0])
    for t in (3, 11, 0, 7):
        x = left + (right - left) * t / 11
        for beside in (-0.49, 0, 0.49):  # in frames
            demo.curve.hear({"kind": "point", "phase": "down", "place": [x + beside * (right - left) / 11 - 0.5, 70]})
            assert demo.frame.value == t
        assert shows(demo.curve, demo_pictures.with_cursor(chart, x))
        assert demo.curve.label == f"J against frame number, cursor at frame {t}: click to jump"
        assert shows(demo.stages[0], drawn("flow", t))


@pytest.mark.parametrize(
    "phase, x, frame",
    [("down", -0.5, 0), ("down", 1e4, 11), ("drag", 1e4, 11), ("up", 1e4, 5), ("hover", 1e4, 5)],
)
def test_clicks_off_the_curve_are_clamped_and_only_a_pressed_mouse_jumps(phase, x, frame):
    demo = watching()
    demo.frame.value = 5
    demo.curve.hear({"kind": "point", "phase": phase, "place": [x, 3]})
    assert demo.frame.value == frame


def test_a_player_plays_to_the_last_frame():
    demo = watching(fps=1000)
    seen = []
    demo.frame.observe(lambda change: seen.append(change["new"]), "value")
    demo.playback.button.value = True
    assert seen == list(range(1, 12))
    assert not demo.playback.button.value
    assert shows(demo.stages[0], drawn("flow", 11))


@pytest.mark.parametrize("count", [0, 3, 13])
def test_a_track_of_another_length_is_refused_by_name(count):
    with pytest.raises(ValueError) as error:
        player(FRAMES, {"flow": SCENE.masks, "mine": [None] * count})
    assert str(error.value) == f"'mine' has {count} items: expected one for each of the 12 frames"


def test_a_player_needs_at_least_one_method():
    with pytest.raises(ValueError) as error:
        player(FRAMES, {})
    assert str(error.value) == "nothing to play: expected at least one method with its tracks"


def test_the_still_of_a_player_shows_frames_with_scores():
    alt = watching().still.alt
    assert "Columns: frame 4, frame 8, frame 8" in alt
    assert "optical flow: J 50 %, J 25 %, J 25 %" in alt
    assert "joints: J 100 %" in alt
    assert "Columns: frame 1, frame 9" in watching(stills=(1, 9)).still.alt
    assert "Columns: frame 3, frame 7, frame 11" in watching(None).still.alt

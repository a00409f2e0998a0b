"""Diagrams: what their alt text says, what is highlighted, that nothing overlaps or is cut off, and that they tell the truth."""

import itertools

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from tests.draw.test_draw import alt_and_picture
from tinytrack.draw.diagrams import HUES, clip_diagram, network_diagram, pipeline, pointer_diagram, propagation_diagram
from tinytrack.draw.pictures import to_gray
from tinytrack.embed import TinyNet
from tinytrack.propagate import MODERN

CLIP = np.random.default_rng(0).integers(0, 256, (4, 36, 44, 3), dtype=np.uint8)
DIAGRAMS = {
    "pipeline": pipeline,
    "highlighted": lambda: pipeline(["point", "copy"]),
    "network": network_diagram,
    "pointer": pointer_diagram,
    "clip": lambda: clip_diagram(CLIP),
    "propagation": propagation_diagram,
}


def words(figure) -> list[str]:
    """All texts of a figure, each in one line."""
    return [" ".join(text.get_text().split()) for text in figure.axes[0].texts]


def box_colors(figure) -> dict[str, str]:
    """Title of each box of the pipeline -> the colour that fills it."""
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    titles = [text for text in figure.axes[0].texts if text.get_weight() == "bold"]
    found = {}
    for title, box in itertools.product(titles, boxes):
        if box.get_zorder() == 3 and box.get_path().transformed(box.get_patch_transform()).contains_point(title.get_position()):
            found[title.get_text()] = to_hex(box.get_facecolor()).upper()
    return found


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_fits_a_notebook_and_has_a_description(name):
    figure = DIAGRAMS[name]()
    _, picture = alt_and_picture(figure)
    height, width = picture.shape[:2]
    assert 800 < width <= 920
    assert 200 < height < 420
    assert picture[[0, -1]].min() > 240  # white on all sides
    assert picture[:, [0, -1]].min() > 240
    assert figure.alt.startswith("Diagram of")
    assert figure.alt.endswith(".")
    assert "  " not in figure.alt


@pytest.mark.parametrize("name", DIAGRAMS)
def test_no_words_overlap_or_are_cut_off_or_too_small(name):
    figure = DIAGRAMS[name]()
    figure.canvas.draw()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    extents = [text.get_window_extent() for text in texts]
    for text, extent in zip(texts, extents, strict=True):
        assert extent.x0 >= 0 and extent.y0 >= 0 and extent.x1 <= figure.bbox.x1 and extent.y1 <= figure.bbox.y1, text.get_text()
        assert text.get_fontsize() >= 8.5
    for (a, first), (b, second) in itertools.combinations(zip(texts, extents, strict=True), 2):
        assert not first.overlaps(second), (a.get_text(), b.get_text())


@pytest.mark.parametrize("name", DIAGRAMS)
def test_words_in_a_box_stay_in_it(name):
    figure = DIAGRAMS[name]()
    figure.canvas.draw()
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch) and patch.get_zorder() == 3]
    for text in figure.axes[0].texts:
        extent = text.get_window_extent()
        for box in boxes:
            if extent.overlaps(box):
                assert box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1, text.get_text()


def test_the_plain_pipeline_has_all_parts_in_their_colours():
    figure = pipeline()
    assert list(box_colors(figure).values()) == [color.upper() for color in HUES.values()]
    assert list(box_colors(figure)) == ["colours", "embed", "point", "copy", "loss", "track"]
    assert "Highlighted: no part." in figure.alt
    assert {"reference frames", "target frame", "Eq. 1", "Eq. 2", "Eq. 3", "in training", "in tracking"} <= set(words(figure))


@pytest.mark.parametrize("name", HUES)
def test_a_highlighted_part_alone_has_its_colour(name):
    colors = box_colors(pipeline([name]))
    own = colors.pop("colours" if name == "colors" else name)
    assert own == HUES[name].upper()
    assert set(colors.values()) == {"#F1F1F1"}
    pictures = [alt_and_picture(figure)[1] for figure in (pipeline(), pipeline([name]))]
    assert (pictures[0] != pictures[1]).any()


def test_the_alt_text_names_what_is_highlighted():
    assert pipeline(["copy", "point"]).alt.endswith("Highlighted: point (Eq. 2), copy (Eq. 1).")
    assert pipeline(("colors",)).alt.endswith("Highlighted: the colours of the reference frames.")
    assert pipeline("loss").alt == pipeline(["loss"]).alt


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="^the pipeline has no part 'colour': expected some of colors, embed, point, copy, loss, track$"):
        pipeline(["embed", "colour"])


def test_the_network_is_drawn_as_it_is():
    net = TinyNet()
    before = torch.get_rng_state()
    figure = network_diagram()
    assert torch.equal(torch.get_rng_state(), before)  # a diagram takes nothing from the random numbers of a notebook
    with torch.no_grad():
        x = torch.zeros(1, 1, 144, 176)
        shapes = [x.shape[1:]] + [(x := part(x)).shape[1:] for part in (net.stem[:3], net.stem[3:], net.blocks, net.head)]
        assert net(torch.zeros(1, 1, 144, 176)).shape == (1, *shapes[-1])
    shown = words(figure)
    for shape in (shapes[0], shapes[1], shapes[2], shapes[4]):
        assert " × ".join(map(str, shape)) in shown
        assert " × ".join(map(str, shape)) in figure.alt
    assert shapes[3] == shapes[2]  # the residual blocks keep the shape, which is written once
    assert [text for text in shown if text.isdigit()] == [str(block.conv1.dilation[0]) for block in net.blocks]
    assert {"6×6 stride 2", "4×4 stride 2", "1×1", "4 residual blocks", "two 3×3 convs each"} <= set(shown)


def test_the_pointer_weights_are_a_row_that_sums_to_one():
    figure = pointer_diagram()
    shown = [float(text) for text in words(figure) if text.startswith("0.")]
    assert sum(shown) == pytest.approx(1, abs=0.02)
    assert f"{max(shown):.2f}" in figure.alt
    assert "the 32 weights sum to 1" in words(figure)


def test_the_clip_shows_three_references_in_colour_and_in_gray_and_the_target_in_colour_once():
    figure = clip_diagram(CLIP)
    images = [np.asarray(image.get_array()) for image in figure.axes[0].images]
    expected = [*CLIP, *to_gray(CLIP)]
    assert len(images) == 8
    for picture in expected:
        assert sum(np.array_equal(picture, image) for image in images) == 1
    places = {n: image.get_extent() for image in figure.axes[0].images for n in range(8) if np.array_equal(image.get_array(), expected[n])}
    assert all(places[n][:2] == places[n + 4][:2] for n in range(3))  # the gray version below its colours
    assert places[7][0] < places[3][0]  # the true colours at the end


@pytest.mark.parametrize("height, width", [(36, 44), (30, 90), (90, 30), (40, 40)])
def test_clips_of_any_shape_keep_their_proportions_and_their_place(height, width):
    figure = clip_diagram(np.zeros((4, height, width, 3), np.uint8))
    for image in figure.axes[0].images:
        left, right, bottom, top = image.get_extent()
        assert (right - left) / (top - bottom) == pytest.approx(width / height)
        assert right - left <= 1.2501
        assert top - bottom <= 1.0001


@pytest.mark.parametrize(
    "frames", [np.zeros((3, 8, 8, 3), np.uint8), np.zeros((4, 8, 8, 3)), np.zeros((4, 8, 8), np.uint8), np.zeros((4, 8, 8, 1), np.uint8)]
)
def test_a_clip_that_is_none_is_refused(frames):
    with pytest.raises(ValueError, match=r"^a training clip must be a uint8 array \(4, H, W, 3\), got \w+ \(.+\)$"):
        clip_diagram(frames)


def test_propagation_shows_the_references_of_the_modern_protocol():
    figure = propagation_diagram()
    assert MODERN.references(10) == [0, 3, 4, 5, 6, 7, 8, 9]
    assert "Frame 10 points at frame 0 and at the last 7 frames, 3 to 9" in figure.alt
    assert "frame 11, which points at frame 0 and at frames 4 to 10" in figure.alt
    framed = [to_hex(patch.get_edgecolor()).upper() for patch in figure.axes[0].patches if patch.get_linewidth() == 2.2]
    row = [HUES["colors"], *[HUES["point"]] * 7, HUES["copy"]]
    assert framed == [color.upper() for color in row * 2]

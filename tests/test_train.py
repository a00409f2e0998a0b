"""Training: the loss follows Eq. 3, batches are reproducible, and every recipe learns."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tinytrack.batches import sample_clips
from tinytrack.color import frames_to_lab, network_input
from tinytrack.datasets.synth import moving_shapes
from tinytrack.errors import ModelError
from tinytrack.fast import attend
from tinytrack.loss import clip_loss, color_loss, single_image_loss
from tinytrack.pointer import affinity, copy, pixels
from tinytrack.recipe import LAB, PAPER, PRESETS, SINGLE, TINY, checkpoint_steps, learning_rate
from tinytrack.train import Trainer

FAST = dataclasses.replace(TINY, height=48, crop=32, batch=2, steps=6, warmup=2)
FAST_LAB = dataclasses.replace(FAST, network=LAB.network, width=16, dim=8)


@pytest.fixture(scope="module")
def shots():
    return [moving_shapes(seed, frames=9, height=48, width=64).frames for seed in (0, 1)]


def test_a_perfect_copy_has_zero_loss():
    """Applying another softmax to the copied distribution would give a loss of ln(1 + 15/e) = 1.875 for 16 classes."""
    labels = torch.randint(0, 16, (2, 30), generator=torch.Generator().manual_seed(0))
    perfect = F.one_hot(labels, 16).float()
    assert color_loss(perfect, labels).item() == 0
    wrong_way = F.cross_entropy(perfect.flatten(0, 1), labels.flatten()).item()
    assert wrong_way == pytest.approx(math.log(1 + 15 / math.e), abs=1e-4)


def test_color_loss_of_examples_computed_by_hand():
    copied = torch.tensor([[[0.5, 0.5], [0.25, 0.75]]])
    assert color_loss(copied, torch.tensor([[0, 1]])).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    uniform = torch.full((1, 7, 16), 1 / 16)
    assert color_loss(uniform, torch.zeros(1, 7, dtype=torch.long)).item() == pytest.approx(math.log(16))


def test_the_loss_of_a_color_that_is_in_no_reference_is_bounded():
    copied = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = color_loss(copied, torch.tensor([[1]]))
    assert loss.item() == pytest.approx(-math.log(1e-4))
    loss.backward()
    assert torch.isfinite(copied.grad).all()


def test_color_loss_gradient_is_correct():
    logits = torch.randn(1, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([[0, 1, 2, 3, 0]])
    assert torch.autograd.gradcheck(lambda x: color_loss(x.softmax(-1), labels), [logits])


def test_clip_loss_equals_eq_2_then_eq_1_then_eq_3():
    g = torch.Generator().manual_seed(0)
    f = torch.randn(2, 4, 5, 3, 3, generator=g)
    labels = torch.randint(0, 6, (2, 4, 3, 3), generator=g)
    one_hot = F.one_hot(labels, 6).float().movedim(-1, 2)
    A = affinity(pixels(f[:, 3]), pixels(f[:, :3]), 0.3)
    expected = color_loss(copy(A, pixels(one_hot[:, :3])), labels[:, 3].flatten(1))
    assert torch.allclose(clip_loss(f, labels, 6, 0.3), expected)


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_clip_loss_has_the_gradient_of_the_equations(size, temperature):
    """The reference is autograd through affinity, copy and color_loss, in float64 so that rounding cannot hide a wrong term."""
    g = torch.Generator().manual_seed(0)
    f = F.normalize(torch.randn(2, 3, 5, size, size, generator=g, dtype=torch.float64), dim=2).requires_grad_()
    labels = torch.randint(0, 6, (2, 3, size, size), generator=g)
    labels[1, :2] %= 5
    labels[1, 2, 0] = 5  # a colour that is in none of the references: its loss is at the floor and has no gradient
    one_hot = F.one_hot(labels[:, :2], 6).double().movedim(-1, 2)
    A = affinity(pixels(f[:, 2]), pixels(f[:, :2]), temperature)
    expected = color_loss(copy(A, pixels(one_hot)), labels[:, 2].flatten(1))
    gradient = torch.autograd.grad(3 * expected, f)[0]
    loss = clip_loss(f, labels, 6, temperature)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(torch.autograd.grad(3 * loss, f)[0], gradient, rtol=1e-9, atol=1e-12)


def test_presets_are_the_two_recipes():
    assert (PAPER.network, PAPER.batch, PAPER.steps, PAPER.temperature, PAPER.crop) == ("PaperNet", 32, 400_000, 1.0, 256)
    assert learning_rate(PAPER, 0, 0) == learning_rate(PAPER, 59_999, 0.1) == 1e-3
    assert learning_rate(PAPER, 60_000, 0.2) == pytest.approx(1e-4)
    assert TINY.network == "TinyNet"
    assert learning_rate(TINY, TINY.warmup, 0) == TINY.learning_rate
    assert learning_rate(TINY, 0, 0) < learning_rate(TINY, 5, 0) < TINY.learning_rate
    assert learning_rate(TINY, 900, 0.9) < 0.1 * TINY.learning_rate
    with pytest.raises(dataclasses.FrozenInstanceError):
        TINY.batch = 3


def test_clips_depend_only_on_seed_and_step(shots):
    a, b = sample_clips(shots, FAST, 3), sample_clips(shots, FAST, 3)
    assert np.array_equal(a, b)
    assert a.shape == (2, 4, 32, 32, 3)
    assert a.dtype == np.uint8
    assert not np.array_equal(a, sample_clips(shots, FAST, 4))
    assert not np.array_equal(a, sample_clips(shots, dataclasses.replace(FAST, seed=1), 3))


def test_frames_of_a_clip_ascend_within_the_gap_and_come_from_one_shot():
    """The frames encode their own number: within a clip they ascend in steps of 1 to 8 and come from one shot."""
    numbered = [np.full((30, 32, 32, 3), 100 * s, np.uint8) + np.arange(30, dtype=np.uint8)[:, None, None, None] for s in (0, 1)]
    gaps = set()
    for step in range(60):
        for clip in sample_clips(numbered, FAST, step):
            number = clip[:, 0, 0, 0].astype(int)
            assert (clip == clip[:, :1, :1]).all()
            assert len(set(number // 100)) == 1
            gaps |= set(np.diff(number))
    assert gaps == set(range(1, 9))


def test_clips_can_come_from_a_shot_shorter_than_a_clip():
    two = np.stack([np.full((32, 32, 3), v, np.uint8) for v in (10, 20)])
    clip = sample_clips([two], FAST, 0)
    assert set(clip.ravel().tolist()) == {10, 20}


def test_the_network_never_sees_color(shots):
    """Changing the hue and keeping the lightness does not change the input of the network."""
    lab = frames_to_lab(shots[0][:2])
    turned = lab.clone()
    turned[:, 1:] = -turned[:, 1:]
    assert torch.equal(network_input(lab), network_input(turned))


def test_a_network_that_sees_color_never_sees_the_channel_it_must_predict(shots):
    trainer = Trainer(shots, FAST_LAB)
    picture, labels, classes = trainer.batch()
    lab = frames_to_lab(sample_clips(shots, FAST_LAB, 0))
    assert torch.equal(picture, network_input(lab, 3))
    cells = F.avg_pool2d(lab.flatten(0, 1), 4).unflatten(0, lab.shape[:2])
    for channel, (hidden, palette) in enumerate(trainer.targets):
        assert hidden == slice(channel, channel + 1)
        assert palette.centers.shape == (classes, 1)
        assert torch.equal(labels[channel], palette.hard(cells[:, :, hidden]))
    # the loss of one channel trains the network that cannot see it, and no other
    for channel in range(3):
        trainer.net.zero_grad()
        only = torch.stack([y if c == channel else torch.zeros_like(y) for c, y in enumerate(labels)])  # one class is easy to copy
        trainer.loss(picture, only, classes).backward()
        reached = [any(p.grad.abs().max() > 1e-6 for p in view.parameters()) for view in trainer.net.views]
        assert reached == [c == channel for c in range(3)]
    assert trainer.model().net.channels == 3


@pytest.mark.parametrize(
    "preset",
    [FAST, FAST_LAB, dataclasses.replace(PAPER, height=64, crop=64, batch=1, steps=1, gap=(1, 2))],
    ids=["tiny", "lab", "paper"],
)
def test_one_step_of_each_recipe_reaches_every_parameter(preset, device):
    big = [moving_shapes(0, frames=9, height=64, width=72).frames]
    trainer = Trainer(big, preset, device=device)
    before = {k: v.detach().clone() for k, v in trainer.net.named_parameters()}
    loss = trainer.step()
    assert math.isfinite(loss)
    assert trainer.count == 1
    for name, parameter in trainer.net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
        assert not torch.equal(parameter, before[name]), name


def test_overfits_one_clip(device):
    """If the network trains on one clip only, the loss must fall far; otherwise a part of the training step is wrong."""
    frames = moving_shapes(3, frames=4, height=32, width=32, objects=2).frames
    config = dataclasses.replace(FAST, gap=(1, 1), crop=32, height=32, steps=60)
    trainer = Trainer([frames], config, device=device)
    losses = [trainer.step() for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:3])


def test_divergence_is_reported(shots):
    trainer = Trainer(shots, FAST)
    trainer.net.head.weight.data.fill_(float("nan"))
    with pytest.raises(ModelError, match="diverged at step 0"):
        trainer.step()


CONTROL = dataclasses.replace(FAST, task="classify")


def test_single_image_loss_of_examples_computed_by_hand():
    """The loss is almost zero if each embedding equals the prototype of its class, and it reaches its maximum for wrong classes."""
    prototypes = torch.eye(5)[:3]
    labels = torch.tensor([[[[0, 1], [2, 0]]]])  # (B, T, h, w)
    right = F.one_hot(labels, 5).float().movedim(-1, 2)
    assert single_image_loss(right, labels, prototypes, 0.05).item() == pytest.approx(2 * math.exp(-20), abs=1e-6)
    assert single_image_loss(right, (labels + 1) % 3, prototypes, 0.05).item() == pytest.approx(-math.log(1e-4))  # the floor
    assert single_image_loss(right, labels, prototypes, 1.0).item() == pytest.approx(math.log(1 + 2 / math.e), abs=1e-6)
    assert single_image_loss(right * 0, labels, prototypes, 0.05).item() == pytest.approx(math.log(3))


def test_single_image_loss_is_eq_2_over_prototypes_then_eq_3():
    g = torch.Generator().manual_seed(0)
    f, prototypes = torch.randn(2, 4, 5, 3, 2, generator=g), torch.randn(6, 5, generator=g)
    labels = torch.randint(0, 6, (2, 4, 3, 2), generator=g)
    expected = color_loss(affinity(pixels(f), prototypes[None].repeat(2, 1, 1), 2.0), labels.flatten(1))
    assert torch.allclose(single_image_loss(f, labels, prototypes, 2.0), expected)
    # It is also the familiar softmax cross-entropy of a linear layer.
    logits = torch.einsum("btdhw,kd->btkhw", f, prototypes) / 2.0
    assert torch.allclose(expected, F.cross_entropy(logits.flatten(0, 1), labels.flatten(0, 1)), rtol=1e-5)


def test_the_control_treats_each_frame_on_its_own(shots):
    """The loss is the mean of the losses of the single frames, and the network sees each frame on its own."""
    g = torch.Generator().manual_seed(0)
    f, prototypes = torch.randn(2, 4, 5, 3, 2, generator=g), torch.randn(6, 5, generator=g)
    labels = torch.randint(0, 6, (2, 4, 3, 2), generator=g)
    alone = torch.stack(
        [single_image_loss(f[b : b + 1, t : t + 1], labels[b : b + 1, t : t + 1], prototypes, 0.5) for b in (0, 1) for t in range(4)]
    )
    together = single_image_loss(f, labels, prototypes, 0.5)
    assert torch.allclose(together, alone.mean())
    other = f.clone()
    other[0, 3] = torch.randn(5, 3, 2, generator=g)
    changed = single_image_loss(other[:1, 3:], labels[:1, 3:], prototypes, 0.5)
    assert torch.allclose(single_image_loss(other, labels, prototypes, 0.5) - together, (changed - alone[3]) / 8, atol=1e-6)
    trainer = Trainer(shots, CONTROL)
    clips = network_input(frames_to_lab(sample_clips(shots, CONTROL, 0)))
    with torch.no_grad():
        trainer.net.eval()
        assert torch.allclose(trainer.net(clips)[:, 2], trainer.net(clips[:, 2:3])[:, 0], atol=1e-5)


def test_the_control_is_the_tiny_recipe_with_another_task():
    assert PRESETS == {"tiny": TINY, "lab": LAB, "paper": PAPER, "single": SINGLE}
    assert SINGLE == dataclasses.replace(TINY, task="classify", steps=SINGLE.steps)
    assert LAB == dataclasses.replace(TINY, network="LabNet", width=LAB.width, dim=LAB.dim, dilations=LAB.dilations)
    assert TINY.task == PAPER.task == "copy"


def test_the_control_learns(device):
    frames = moving_shapes(3, frames=4, height=32, width=32, objects=2).frames
    trainer = Trainer([frames], dataclasses.replace(CONTROL, gap=(1, 1), steps=40), device=device)
    before = trainer.prototypes.detach().clone()
    assert before.shape == (len(trainer.palette), trainer.net.dim)
    assert torch.allclose(before.norm(dim=1), torch.ones(len(before), device=device), atol=1e-5)
    losses = [trainer.step() for _ in range(40)]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    for name, parameter in (*trainer.net.named_parameters(), ("prototypes", trainer.prototypes)):
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
    assert (trainer.prototypes - before).abs().max() > 0.01


def test_checkpoint_steps_are_on_a_logarithmic_scale():
    assert checkpoint_steps(1000) == [0, 1, 3, 10, 30, 100, 300, 1000]
    assert checkpoint_steps(12) == [0, 1, 3, 10, 12]
    assert checkpoint_steps(1) == [0, 1]
    assert checkpoint_steps(3) == [0, 1, 3]
    assert checkpoint_steps(400_000)[-3:] == [100_000, 300_000, 400_000]


def gradient_of(trainer):
    return torch.cat([p.grad.flatten() for p in trainer.trained])


def test_only_gradients_above_the_limit_are_clipped(shots):
    lengths = {}
    for limit in (None, 0.01, 1e6):
        trainer = Trainer(shots, dataclasses.replace(FAST, clip_norm=limit))
        trainer.step()
        lengths[limit] = gradient_of(trainer).norm().item()
    assert lengths[0.01] == pytest.approx(0.01, rel=1e-3)
    assert lengths[1e6] == pytest.approx(lengths[None])
    assert lengths[None] > 0.02


@pytest.mark.parametrize("classes", [5, 16, 20])  # fewer than, as many as, and more than the dimensions of an embedding
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_fused_attention_is_eq_2_and_eq_1(device, temperature, classes):
    g = torch.Generator().manual_seed(0)
    f = F.normalize(torch.randn(2, 4 * 30, 16, generator=g), dim=2).to(device).requires_grad_()
    colors = F.one_hot(torch.randint(0, classes, (2, 3 * 30), generator=g), classes).float().to(device)
    slope = torch.randn(2, 30, classes, generator=g).to(device)
    expected = copy(affinity(f[:, 90:], f[:, :90], temperature), colors)
    found = attend(f[:, 90:], f[:, :90], colors, temperature)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad((y * slope).sum(), f, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_selected_clips_of_a_step_equal_those_of_the_full_batch(shots):
    config = dataclasses.replace(FAST, batch=5)
    everything = sample_clips(shots, config, 7)
    assert np.array_equal(sample_clips(shots, config, 7, [3, 1]), everything[[3, 1]])

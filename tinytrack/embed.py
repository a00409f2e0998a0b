"""Networks that turn gray frames into embeddings: one vector of D numbers for each cell of a coarse grid.

All share one interface, ``net(gray) -> embeddings``: gray (..., T, 1, H, W) in [-1, 1] gives (..., T, D, h, w) with h = H / stride
and w = W / stride. A network with ``channels`` = 3 sees Lab frames (..., T, 3, H, W) instead. A cell of TinyNet's grid is centred on
its own stride x stride square of pixels, just as area-averaged labels are. PaperNet's cells, as in any ResNet, are centred half a
cell further up and to the left.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _check_picture(picture: Tensor, stride: int, channels: int = 1) -> None:
    if picture.dim() < 4 or picture.shape[-3] != channels:
        kind = {1: "gray", 2: "two-channel", 3: "Lab"}[channels]
        raise ValueError(f"expected {kind} frames (..., T, {channels}, H, W), got shape {tuple(picture.shape)}")
    if picture.shape[-2] % stride or picture.shape[-1] % stride:
        raise ValueError(f"height and width must be multiples of {stride}, got {picture.shape[-2]}x{picture.shape[-1]}")


class _Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut; dilation widens the receptive field without a coarser grid."""

    def __init__(self, channels: int, dilation: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False, padding_mode="reflect")
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False, padding_mode="reflect")
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x)).relu_()
        return (x + self.norm2(self.conv2(y))).relu_()


class TinyNet(nn.Module):
    """The network that the notebooks train: stride 4, about 0.33 million weights, unit-length embeddings.

    Each frame is embedded by itself (``clip_frames`` = 1). It is much smaller than the paper's network, and is not told
    where a cell is. Its stride is 4 instead of 8, because no tracker can be finer than its label grid. Its embeddings have length
    one, which keeps the softmax of Eq. 2 from saturating. Its convolutions use reflection padding, because zeros beyond the border
    would reveal where a cell is, and "point at the same place" is too easy a solution. Explained in
    notebooks/02_embedding_net.ipynb.

    Args:
        channels: that the network sees: 1 is gray; LabNet's networks see 2.
        width: channels of the hidden layers.
        dim: D, the size of an embedding.
        dilations: of the residual blocks, one number each.
    """

    stride = 4
    clip_frames = 1

    def __init__(self, channels: int = 1, width: int = 64, dim: int = 64, dilations: Sequence[int] = (1, 2, 4, 1)):
        super().__init__()
        self.shape = {"channels": channels, "width": width, "dim": dim, "dilations": tuple(dilations)}
        self.channels = channels
        self.dim = dim
        # Even kernels with stride 2 are centred between pixels, exactly where area-averaged labels are centred too.
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width // 2, 6, stride=2, padding=2, bias=False, padding_mode="reflect"),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, width, 4, stride=2, padding=1, bias=False, padding_mode="reflect"),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(*(_Residual(width, d) for d in dilations))
        self.head = nn.Conv2d(width, dim, 1)
        self.to(memory_format=torch.channels_last)  # the layout of the pictures too: a fifth faster on a CPU

    def forward(self, picture: Tensor) -> Tensor:
        """Embed frames (..., T, channels, H, W) from ``network_input``, H and W at least 20 -> (..., T, D, H/4, W/4), unit length."""
        _check_picture(picture, self.stride, self.channels)
        if min(picture.shape[-2:]) < 20:
            raise ValueError(f"TinyNet needs frames of at least 20x20 pixels, got {picture.shape[-2]}x{picture.shape[-1]}")
        x = picture.flatten(0, -4).contiguous(memory_format=torch.channels_last)
        f = F.normalize(self.head(self.blocks(self.stem(x))), dim=1)
        return f.unflatten(0, picture.shape[:-3])


class LabNet(nn.Module):
    """Three small TinyNets for frames in colour: each sees two channels of Lab and learns by predicting the third.

    A network that sees the colour it must copy can point at the same colour and need not know what it looks at. (CorrFlow, Lai and
    Xie 2019, hides one channel at a time from one network instead; three networks, each of which always sees the same two channels,
    track better.) An embedding is the three embeddings of unit length, one after the other, scaled to unit length again. Explained
    in notebooks/08_what_came_next.ipynb.

    Args:
        width: channels of the hidden layers of each network.
        dim: numbers that each network adds to an embedding: D = 3 dim.
        dilations: of the residual blocks of each network; two blocks track as well as TinyNet's four, or better.
    """

    stride = 4
    clip_frames = 1
    channels = 3

    def __init__(self, width: int = 48, dim: int = 32, dilations: Sequence[int] = (1, 2)):
        super().__init__()
        self.shape = {"width": width, "dim": dim, "dilations": tuple(dilations)}
        self.dim = 3 * dim
        self.views = nn.ModuleList(TinyNet(2, width, dim, dilations) for _ in range(3))

    def forward(self, picture: Tensor) -> Tensor:
        """Embed Lab frames (..., T, 3, H, W) from ``network_input``, H and W at least 20 -> (..., T, D, H/4, W/4), unit length."""
        _check_picture(picture, self.stride, self.channels)
        views = []
        for hidden, net in enumerate(self.views):
            seen = [channel for channel in range(3) if channel != hidden]
            views.append(net(picture[..., seen, :, :]))
        return torch.cat(views, dim=-3) / 3**0.5


class _BasicBlock(nn.Module):
    """The two-convolution block of ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x)).relu_()
        return (self.shortcut(x) + self.norm2(self.conv2(y))).relu_()


class _SpaceTime(nn.Module):
    """A dilated 1x3x3 convolution over space, then a 3x1x1 convolution over time."""

    def __init__(self, inputs: int, channels: int, dilation: int):
        super().__init__()
        self.space = nn.Conv3d(inputs, channels, (1, 3, 3), padding=(0, dilation, dilation), dilation=(1, dilation, dilation), bias=False)
        self.norm1 = nn.BatchNorm3d(channels)
        self.time = nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(self.space(x)).relu_()
        return self.norm2(self.time(x)).relu_()


class PaperNet(nn.Module):
    """The network of the paper: ResNet-18 trunk to stride 8, location, five dilated 3-D blocks, 64 dimensions, no normalisation.

    A frame's embedding depends on the whole clip of ``clip_frames`` = 4, because each of the five temporal convolutions looks one
    frame to either side. Weights start Gaussian, as in the paper. Explained in notebooks/02_embedding_net.ipynb.
    """

    stride = 8
    clip_frames = 4
    channels = 1
    dim = 64

    def __init__(self):
        super().__init__()
        self.shape = {}
        self.stem = nn.Sequential(nn.Conv2d(1, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        stages = []
        inputs = 64
        for channels, stride in ((64, 1), (128, 2), (256, 1), (256, 1)):
            stages += [_BasicBlock(inputs, channels, stride), _BasicBlock(channels, channels, 1)]
            inputs = channels
        self.trunk = nn.Sequential(*stages)
        self.context = nn.Sequential(*(_SpaceTime(256 + 2 if d == 1 else 256, 256, d) for d in (1, 2, 4, 8, 16)))
        self.head = nn.Conv3d(256, self.dim, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for part, form in (
            (self.stem, torch.channels_last),
            (self.trunk, torch.channels_last),
            (self.context, torch.channels_last_3d),
        ):
            part.to(memory_format=form)  # a fifth faster on a CPU, and what half precision needs on a GPU

    def forward(self, gray: Tensor) -> Tensor:
        """Embed clips (..., T, 1, H, W) in [-1, 1], T consecutive frames each -> (..., T, D, H/8, W/8)."""
        _check_picture(gray, self.stride)
        clips = gray.flatten(0, -5) if gray.dim() > 4 else gray.unsqueeze(0)
        b, t = clips.shape[:2]
        x = clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        x = self.trunk(self.stem(x))  # (B * T, 256, h, w)
        x = torch.cat([x, self.location(x)], dim=1).unflatten(0, (b, t)).transpose(1, 2)  # (B, 258, T, h, w)
        f = self.head(self.context(x.contiguous(memory_format=torch.channels_last_3d))).transpose(1, 2)  # (B, T, D, h, w)
        return f.reshape(*gray.shape[:-3], *f.shape[2:])

    @staticmethod
    def location(x: Tensor) -> Tensor:
        """Make maps of each cell's x and y in [-1, 1] for features (B, C, h, w): (B, 2, h, w)."""
        h, w = x.shape[-2:]
        y, x_ = torch.meshgrid(torch.linspace(-1, 1, h).to(x), torch.linspace(-1, 1, w).to(x), indexing="ij")
        return torch.stack([x_, y]).expand(len(x), -1, -1, -1)


def count_parameters(net: nn.Module) -> int:
    """Count the weights that training changes."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)

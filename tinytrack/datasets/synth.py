"""Render synthetic videos with exact ground truth: textured shapes that move, turn, scale and occlude one another."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Scene:
    """A synthetic video with its ground truth.

    Attributes:
        frames: uint8 RGB (T, H, W, 3).
        masks: uint8 (T, H, W): 0 is the background, n is where the n-th object is visible. Decided at pixel centres, not smoothed.
        joints: float64 (T, J, 2): (x, y) of keypoints fixed to the objects, also while hidden or outside the frame.
        visible: bool (T, J): inside the frame and not behind another object.
        names: of the keypoints, "object1_center", "object1_a" ...
        edges: pairs of keypoint indices.
        occluded: bool (T, objects): part of the object is behind another one.
    """

    frames: np.ndarray
    masks: np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    names: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    occluded: np.ndarray


@dataclass(frozen=True)
class _Shape:
    """A star-shaped outline r(angle) with a texture, and its motion. Lengths are in pixels, angles in radians, times in frames."""

    radius: float
    lobes: int
    depth: float  # of the lobes, relative to the radius
    texture: np.ndarray  # (n, n, 3) in [0, 1], tiled
    start: np.ndarray  # (2,) position of the centre at time 0
    speed: np.ndarray  # (2,) of the centre
    turn: float  # angular speed
    grow: float  # the scale oscillates slowly between 1 - grow and 1 + grow
    phase: float  # the angle at time 0, also the phase of the oscillation

    def pose(self, t: float, size: tuple[int, int]) -> tuple[np.ndarray, float, float]:
        """Return the centre (x, y), angle and scale at time t; the centre bounces off the border."""
        room = np.array([size[1] - 1, size[0] - 1], dtype=np.float64)
        place = self.start + self.speed * t
        place = room - np.abs(room - np.mod(place, 2 * room))  # a triangle wave: straight lines, mirrored at the border
        return place, self.phase + self.turn * t, 1 + self.grow * np.sin(0.08 * t + self.phase)

    def local(self, points: np.ndarray, t: float, size: tuple[int, int]) -> np.ndarray:
        """Map picture coordinates (x, y) to the shape's own, which do not change as it moves."""
        center, angle, scale = self.pose(t, size)
        c, s = np.cos(angle), np.sin(angle)
        return (points - center) @ np.array([[c, -s], [s, c]]) / scale

    def place(self, own: np.ndarray, t: float, size: tuple[int, int]) -> np.ndarray:
        """Map the shape's own coordinates to picture coordinates, the inverse of :meth:`local`."""
        center, angle, scale = self.pose(t, size)
        c, s = np.cos(angle), np.sin(angle)
        return own @ np.array([[c, s], [-s, c]]) * scale + center

    def outline(self, angle: np.ndarray) -> np.ndarray:
        """Return the radius of the outline at each angle."""
        return self.radius * (1 + self.depth * np.cos(self.lobes * angle))

    def covers(self, own: np.ndarray) -> np.ndarray:
        """Tell which points, in the shape's own coordinates, lie on the shape."""
        return np.hypot(own[..., 0], own[..., 1]) <= self.outline(np.arctan2(own[..., 1], own[..., 0]))


def _texture(rng: np.random.Generator, n: int, base: np.ndarray, contrast: float) -> np.ndarray:
    """Make a tileable texture (n, n, 3) in [0, 1]: smooth noise around one colour, with coarse and fine blobs."""
    light = sum(w * _unit(ndimage.gaussian_filter(rng.standard_normal((n, n)), s, mode="wrap")) for s, w in ((1.5, 0.5), (5, 1.0)))
    tint = np.stack([_unit(ndimage.gaussian_filter(rng.standard_normal((n, n)), 7, mode="wrap")) for _ in range(3)], axis=-1)
    return np.clip(base + contrast * (0.7 * light[..., None] + 0.35 * tint), 0, 1)


def _unit(x: np.ndarray) -> np.ndarray:
    """Standardize to mean 0 and standard deviation 1."""
    return (x - x.mean()) / x.std()


def _look_up(texture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Look up points (..., 2) as (x, y) in a tiled texture, bilinearly."""
    where = np.moveaxis(points[..., ::-1], -1, 0)
    return np.stack([ndimage.map_coordinates(texture[..., c], where, order=1, mode="grid-wrap") for c in range(3)], axis=-1)


def moving_shapes(seed: int = 0, frames: int = 40, height: int = 128, width: int = 160, objects: int = 3, speed: float = 1.5) -> Scene:
    """Render a scene. The same arguments give the same scene on every machine, up to rounding.

    Args:
        seed: chooses shapes, textures and motion.
        frames, height, width: of the video.
        objects: number of objects; object 1 is nearest to the viewer.
        speed: mean speed of the objects in pixels per frame.

    Returns:
        :class:`Scene`. Each object has three keypoints: its centre and two points inside its outline.

    Raises:
        ValueError: if there are no frames or objects, more than 20 objects, or too few pixels.
    """
    if frames < 1 or objects < 1 or objects > 20 or min(height, width) < 16:
        raise ValueError(
            f"no scene can have {frames} frame(s), {objects} object(s) and {height}x{width} pixels:"
            " expected at least 1 frame, 1 to 20 objects and at least 16x16 pixels"
        )
    # draw the background and the objects from the seed
    rng = np.random.default_rng(seed)
    size = (height, width)
    ground = _texture(rng, 256, rng.uniform(0.3, 0.7, 3), 0.08)
    drift = rng.uniform(-0.8, 0.8, 2)
    shapes = []
    for n in range(objects):
        heading = rng.uniform(0, 2 * np.pi)
        # Spread the hues evenly, so that no two objects of a scene share a colour by accident.
        hue = 2 * np.pi * (n / objects + rng.uniform(0, 0.3 / objects))
        base = 0.5 + 0.32 * np.cos(hue - np.array([0, 2 * np.pi / 3, 4 * np.pi / 3]))
        shapes.append(
            _Shape(
                radius=min(size) * rng.uniform(0.13, 0.2),
                lobes=int(rng.integers(2, 6)),
                depth=rng.uniform(0.1, 0.25),
                texture=_texture(rng, 64, base, 0.11),
                start=rng.uniform(0.15, 0.85, 2) * np.array([width, height]),
                speed=speed * rng.uniform(0.6, 1.4) * np.array([np.cos(heading), np.sin(heading)]),
                turn=rng.uniform(-0.06, 0.06),
                grow=rng.uniform(0.05, 0.2),
                phase=rng.uniform(0, 2 * np.pi),
            )
        )
    # keypoints in each shape's own coordinates: the centre, and one point on each of two rays, at 0.6 of the outline
    rays = rng.uniform(0, 2 * np.pi, objects)
    own = []
    for shape, ray in zip(shapes, rays, strict=True):
        angles = np.array([ray, ray + 2.2])
        tips = 0.6 * shape.outline(angles)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        own.append(np.concatenate([np.zeros((1, 2)), tips]))

    # render frame by frame
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)  # (H, W, 2) as (x, y)
    offsets = [np.array([dx, dy]) for dy in (-0.25, 0.25) for dx in (-0.25, 0.25)]  # 2x2 samples per pixel smooth the edges
    picture = np.empty((frames, height, width, 3), np.uint8)
    masks = np.zeros((frames, height, width), np.uint8)
    joints = np.empty((frames, 3 * objects, 2))
    visible = np.empty((frames, 3 * objects), bool)
    occluded = np.empty((frames, objects), bool)
    for t in range(frames):
        # the picture: the mean of the samples
        samples = np.zeros((height, width, 3))
        for offset in offsets:
            points = pixels + offset
            color = _look_up(ground, points + drift * t)
            for shape in reversed(shapes):  # the nearest is painted last
                place = shape.local(points, t, size)
                on = shape.covers(place)
                color[on] = _look_up(shape.texture, place[on])
            samples += color
        picture[t] = (samples / len(offsets) * 255).round().astype(np.uint8)
        # masks: nearer objects overwrite those behind them
        covered = [shape.covers(shape.local(pixels, t, size)) for shape in shapes]
        for n in reversed(range(objects)):
            masks[t][covered[n]] = n + 1
        # keypoints, and what is hidden behind nearer objects
        for n, shape in enumerate(shapes):
            occluded[t, n] = any((covered[n] & covered[m]).any() for m in range(n))
            points = shape.place(own[n], t, size)
            joints[t, 3 * n : 3 * n + 3] = points
            hidden = np.zeros(3, bool)
            for m in range(n):
                hidden |= shapes[m].covers(shapes[m].local(points, t, size))
            inside = (points >= -0.5).all(1) & (points <= np.array([width, height]) - 0.5).all(1)
            visible[t, 3 * n : 3 * n + 3] = inside & ~hidden
    names = tuple(f"object{n + 1}_{part}" for n in range(objects) for part in ("center", "a", "b"))
    edges = tuple((3 * n, 3 * n + k) for n in range(objects) for k in (1, 2))
    return Scene(picture, masks, joints, visible, names, edges, occluded)

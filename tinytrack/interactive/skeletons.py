"""Skeletons of named keypoints that can be placed in the studio."""

import numpy as np

from ..io.joints import Joints

_FACE = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right", "chin")
_HUMAN = (
    "head", "neck", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
_FOUR_LEGGED = (
    "nose", "withers", "tail_base", "tail_tip", "left_front_knee", "left_front_paw", "right_front_knee", "right_front_paw",
    "left_hind_knee", "left_hind_paw", "right_hind_knee", "right_hind_paw",
)  # fmt: skip


def _skeleton(names: tuple[str, ...], lines: str) -> Joints:
    """Build a skeleton without positions from its names and its lines, each written as "name-name"."""
    edges = [line.split("-") for line in lines.split()]
    return Joints(names, np.full((len(names), 2), np.nan), tuple((names.index(a), names.index(b)) for a, b in edges))


# Keypoints by the names that the field uses, and the lines between them. Left is the subject's left.
SKELETONS = {
    "human": _skeleton(
        _HUMAN,
        "head-neck neck-left_shoulder neck-right_shoulder left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow"
        " right_elbow-right_wrist left_shoulder-left_hip right_shoulder-right_hip left_hip-right_hip left_hip-left_knee"
        " left_knee-left_ankle right_hip-right_knee right_knee-right_ankle",
    ),
    "face": _skeleton(_FACE, "left_eye-right_eye left_eye-nose right_eye-nose nose-mouth_left nose-mouth_right mouth_left-mouth_right"),
    "four-legged": _skeleton(
        _FOUR_LEGGED,
        "nose-withers withers-tail_base tail_base-tail_tip withers-left_front_knee left_front_knee-left_front_paw withers-right_front_knee"
        " right_front_knee-right_front_paw tail_base-left_hind_knee left_hind_knee-left_hind_paw tail_base-right_hind_knee"
        " right_hind_knee-right_hind_paw",
    ),
}

"""Data sets: sample clips, DAVIS, BADJA, pose2sim, folders of videos, synthetic scenes."""

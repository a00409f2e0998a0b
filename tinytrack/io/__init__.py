"""Files in and out: video, masks, keypoints, atomic writing."""

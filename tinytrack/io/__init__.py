"""Files in and out.

``video.py`` opens a video file or a folder of frames; files are decoded in ``container.py``, and single frames are found in ``seek.py``.
``masks.py`` and ``joints.py`` read and write labels, ``video_writer.py`` writes videos, ``atomic.py`` writes files completely or not at
all, and ``frames.py`` has the sizes and coordinates of frames.
"""

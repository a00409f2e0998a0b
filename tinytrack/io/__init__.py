"""Files in and out.

Videos: ``video.py`` opens a video file, a folder of frames or a file with several pictures. Files are decoded in ``container.py``, single
frames are found in ``seek.py``, and pictures are read in ``pictures.py``. ``series.py`` says which files of a folder are its frames, and
``stacks.py`` makes frames of them. ``video_writer.py`` writes videos, with the sound that ``sound.py`` copies.

Labels: ``masks.py`` and ``joints.py`` read and write ours; ``mask_formats.py`` and ``keypoint_formats.py`` read those of other programs.

Results: ``atomic.py`` writes files completely or not at all, ``results.py`` never replaces what a user made, and ``frames.py`` has the
sizes and coordinates of frames.
"""

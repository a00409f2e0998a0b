"""The samples of the page's third part, "Track in your own video": two short videos with a mask of their first frame."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..datasets.clips import CLIPS, open_clip
from ..io.masks import read_mask
from .pack import as_picture, as_script, as_text


@dataclass(frozen=True)
class Sample:
    """Frames of a clip: every ``step``-th from ``start`` on, ``count`` of them. Frame ``start`` has a mask that we drew."""

    clip: str
    about: str
    start: int
    step: int
    count: int


SAMPLES = (
    Sample("carphone", "A man talks in a moving car", 0, 3, 40),
    Sample("bikes", "A cyclist waits at a crossing", 76, 2, 30),
)


def sample_names() -> list[str]:
    """List the scripts that :func:`sample_scripts` writes."""
    return [f"sample-{sample.clip}" for sample in SAMPLES]


def sample_scripts() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each sample's script.

    Raises:
        ClipError: if a clip is not installed.
    """
    for sample in SAMPLES:
        clip, video = CLIPS[sample.clip], open_clip(sample.clip)
        stop = sample.start + sample.step * sample.count
        frames = video.read(max_frames=stop)[sample.start : stop : sample.step]
        content = {
            "name": sample.clip,
            "about": sample.about,
            "fps": video.fps / sample.step,
            "names": list(clip.objects),
            "pictures": [as_picture(frame) for frame in frames],
            "mask": as_text(read_mask(clip.masks[sample.start])),
        }
        yield f"sample-{sample.clip}", as_script(f"sample-{sample.clip}", content)

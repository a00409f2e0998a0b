"""Solutions of the exercises of notebooks/09_your_video.ipynb."""


def my_click_to_pixel(x, y, shown, size):
    # The picture and the frame have the same edges, so we scale distances from the edge.
    # The edge lies half a pixel before the centre of the first pixel, from which the frame counts.
    return x * size[1] / shown[1] - 0.5, y * size[0] / shown[0] - 0.5


def my_alarm(areas):
    # Compared with the first frame, an object that comes nearer grows a lot. Compared with the frame before, it grows by only 3 %.
    # The limit is a share, because 50 pixels are a lot for a small object only. A quarter is well above the random 5 %.
    return [t for t in range(1, len(areas)) if abs(areas[t] - areas[t - 1]) > 0.25 * max(areas[t], areas[t - 1])]


def my_corrections(j):
    from itertools import combinations

    def mean_j(frames):
        first, second = frames
        # each frame uses the last labelled frame: 0, then the first correction, then the second
        return (j[0, :first].sum() + j[first, first:second].sum() + j[second, second:].sum()) / len(j)

    # A video has few pairs of frames, so we try them all. The best pair need not contain the best single frame.
    return max(combinations(range(1, len(j)), 2), key=mean_j)

"""The exercises of the notebooks: ``check.affinity(my_affinity)`` tells you that your function is right, or names the mistake.

There is one file per notebook. Exercises with many right answers have a judge instead of one right result, see
:class:`tinytrack.lessons.exercise.Experiment`. Each other exercise has a solution and a list of usual mistakes, see
:class:`tinytrack.lessons.exercise.Exercise`. The solution is the library's own function where there is one. Eq. 1, 2 and 3 are the
exception: they are written here a second time, so that the library can be checked too (``check.affinity(pointer.affinity)``).
"""

from ..exercise import Exercise, Experiment
from .color_quantization import nearest_color, shrink_labels, test_input
from .embedding_net import cell_center, layers, receptive_field
from .pointer_copy import affinity, keep_top_k, overflow_temperature, temperature, window
from .tour import origin_labels, to_gray, twins
from .track_masks import masks, propagate, read_balanced, references
from .track_pose import joint_maps, locate, pck, sigma
from .training import color_loss, embeddings, even_pointer_loss, labels
from .what_came_next import ceiling, hide_channel, protocol
from .when_it_breaks import color_error, looks, rank_correlation, symptoms, time_trap
from .your_video import alarm, click_to_pixel, corrections

_ALL = (
    *(to_gray, origin_labels, twins),  # 00
    *(nearest_color, shrink_labels, test_input),  # 01
    *(cell_center, receptive_field, layers),  # 02
    *(affinity, window, keep_top_k, temperature, overflow_temperature),  # 03
    *(color_loss, even_pointer_loss, labels, embeddings),  # 04
    *(masks, references, propagate, read_balanced),  # 05
    *(joint_maps, sigma, locate, pck),  # 06
    *(symptoms, rank_correlation, color_error, time_trap, looks),  # 07
    *(hide_channel, ceiling, protocol),  # 08
    *(click_to_pixel, alarm, corrections),  # 09
)
EXERCISES: dict[str, Exercise | Experiment] = {exercise.name: exercise for exercise in _ALL}  # by name, one notebook after the other

"""The exercises of the notebooks: ``check.affinity(my_affinity)`` tells you that your function is right, or names the mistake.

There is one file per notebook. Each exercise has a solution and a list of usual mistakes, see
:class:`tinytrack.lessons.exercise.Exercise`. The solution is the library's own function where there is one. Eq. 1, 2 and 3 are the
exception: they are written here a second time, so that the library can be checked too (``check.affinity(pointer.affinity)``).
"""

from ..exercise import Exercise
from .color_quantization import decode, nearest_color, one_hot, shrink_labels
from .embedding_net import cell_center, receptive_field, unit_length
from .pointer_copy import affinity, copy, keep_top_k, window
from .tour import paint, to_gray
from .track_masks import propagate, read_balanced, references, region_j
from .track_pose import joint_maps, locate, pck
from .training import checkpoint_steps, color_loss, even_pointer_loss
from .what_came_next import ceiling, hide_channel
from .when_it_breaks import color_error, rank_correlation
from .your_video import click_to_pixel, splice

_ALL = (
    *(to_gray, paint),  # 00
    *(nearest_color, one_hot, decode, shrink_labels),  # 01
    *(unit_length, receptive_field, cell_center),  # 02
    *(affinity, copy, window, keep_top_k),  # 03
    *(color_loss, even_pointer_loss, checkpoint_steps),  # 04
    *(region_j, references, propagate, read_balanced),  # 05
    *(joint_maps, locate, pck),  # 06
    *(rank_correlation, color_error),  # 07
    *(hide_channel, ceiling),  # 08
    *(click_to_pixel, splice),  # 09
)
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for exercise in _ALL}  # by name, in the order of the notebooks

"""Pictures and figures: everything that readers look at. Import the package and write ``draw.overlay``, ``draw.filmstrip`` and so on.

Pictures are uint8 RGB arrays (H, W, 3), in and out. Figures are matplotlib figures that show themselves at the end of a notebook cell,
with their description as alt text.
"""

from .animation import Animation, animation
from .charts import j_against_frame, line_chart, loss_curve, score_bars
from .diagrams import clip_diagram, network_diagram, pipeline, pointer_diagram, propagation_diagram
from .figures import attention_maps, embedding_pca, filmstrip, number_grid, palette_swatches, pointer_picture
from .pictures import (
    carried_picture,
    enlarge,
    magnified,
    nearest,
    overlay,
    principal_colors,
    side_by_side,
    skeleton,
    soft_picture,
    swatches,
    to_gray,
)
from .style import COLORS, MARKERS, OTHERS, STYLES, chart, color, label, object_color, plain_axes

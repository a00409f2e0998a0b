"""What only the notebooks use: exercises with checks, the worked example, and the display of source code."""

"""The interactive parts, used in a browser: the demos of the notebooks, and the studio for your own video."""

"""What a person uses in the browser: the demos of the notebooks, and the studio for your own video."""

"""tinytrack: tracking emerges by colorizing videos, small enough to live in."""

__version__ = "0.1.0"

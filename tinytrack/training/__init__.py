"""Training beyond one process: fit, checkpoints, ranks, an index and a stream of videos."""

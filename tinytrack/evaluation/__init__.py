"""Evaluation: metrics, baselines, statistics, scoring, and the report."""

"""What only the notebooks need: exercises with checks, the worked example, source code to show."""

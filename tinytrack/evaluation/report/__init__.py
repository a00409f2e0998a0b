"""The report: every method on every data set, as tables and figures."""

"""One file is one experiment: a docstring and a value named `experiment`."""

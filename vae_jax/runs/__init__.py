"""Runs on the host.

directory  x
loop       x
records    x
results    x
padding    x
run        x
sweep      x
plan       x
places     x
together   x
runs       x
bench      x
benchmark  x
use        x
"""

"""Datasets of tensorflow-datasets, read without tensorflow.

find     where a prepared dataset lies, and if it is whole
prepare  the first time, by tensorflow-datasets itself
cache    decoded datasets as .npy files
decode   a prepared set of images to batches, through that cache
groove   drum performances to songs
"""

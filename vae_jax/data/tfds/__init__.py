"""Image datasets of tensorflow-datasets, read without tensorflow.

find     where a prepared dataset lies, and if it is whole
prepare  the first time, by tensorflow-datasets itself
cache    decoded datasets as .npy files
decode   a prepared dataset to batches, through that cache
"""

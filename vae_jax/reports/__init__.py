"""What runs say: verdicts, pictures of a model, curves over runs, tables.

A report is (runs) -> Report(results, pictures, verdicts). It is called with all
runs of a grid, and with each run by itself: it must take any non-empty list of
Run. Those hold what is in the runs' directories and no model: so a report can
be made again without one. A picture is (trained) -> Figure, or None.

claims    runs to a Report; what was claimed and whether it held
pictures  a trained model to a figure
walks     walks through a model's codes to a figure
played    what a model of music plays, and how right it is
over      how many latents are enough, and curves over their number
encoded   codes beside principal components, and with few labels
noise     what becomes of noise on images and on codes
cross     matrices of models over what they are tested on
judged    samples as a classifier sees them
rates     bytes and decibels of codes beside JPEG
matched   codes that a critic brings to the prior
sparsity  what a penalty did to codes
summary   what a command prints at its end
"""

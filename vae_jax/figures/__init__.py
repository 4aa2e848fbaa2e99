"""Figures for a paper: pure functions from arrays to a matplotlib Figure.

Text sizes and widths are those of a NeurIPS column (5.5 inches), colours are
safe for the colour-blind, and nothing global is touched: no pyplot, no rc.

  style        sizes, colours, a blank page, and how it is saved
  pixels       images as pixels of a page
  images       grids and rows of images
  plots        bars and a scatter
  matrices     a table of numbers in colours
  history      curves over a run
  comparisons  lines and scatters of several runs
  rolls        songs as notes over bars
"""

from vae_jax.figures.comparisons import lines, scatters
from vae_jax.figures.history import curves
from vae_jax.figures.images import grid, rows
from vae_jax.figures.matrices import matrix
from vae_jax.figures.plots import bars, scatter
from vae_jax.figures.rolls import Played, rolls
from vae_jax.figures.style import ACCENT, DPI, save

__all__ = [
  'ACCENT', 'DPI', 'Played', 'bars', 'curves', 'grid', 'lines', 'matrix',
  'rolls', 'rows', 'save', 'scatter', 'scatters',
]  # fmt: skip

"""What all figures share: sizes, colours, a blank page, and how it is saved."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from vae_jax import files
from vae_jax.console import nearest

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

DPI = 150
WIDTH = 5.5  # inches: the text width of NeurIPS
LABEL_SIZE, TITLE_SIZE = 8, 9  # points
PAD, GAP = 9, 3  # pixels: around the figure, and between two images

# Okabe and Ito 2008, without the yellow, which is lost on white.
LINE_COLOURS = (
  '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000',
)  # fmt: skip
# Paul Tol's 'muted', and a dark grey for the tenth class.
CLASS_COLOURS = (
  '#CC6677', '#332288', '#DDCC77', '#117733', '#88CCEE',
  '#882255', '#44AA99', '#999933', '#AA4499', '#555555',
)  # fmt: skip
MARKERS = 'osD^v'
PLAIN, ACCENT = '#A6A6A6', '#0072B2'


def blank(width: float, height: float, layout: str | None = None) -> Figure:
  """An empty figure of this many pixels; matplotlib is first imported here."""
  from matplotlib.figure import Figure

  # matplotlib truncates to whole pixels, and 577 / 150 * 150 may be 576.99.
  size = (round(width) + 0.01) / DPI, (round(height) + 0.01) / DPI
  return Figure(figsize=size, dpi=DPI, layout=layout, facecolor='white')


def chart(width: float, height: float, title: str | None) -> Figure:
  """A figure of this many inches, its title in as many lines as it needs."""
  figure = blank(width * DPI, height * DPI, layout='constrained')
  across = figure.get_figwidth()
  if text := textwrap.fill(title or '', int(13 * across)):
    x = PAD / DPI / across
    figure.suptitle(text, fontsize=TITLE_SIZE, x=x, ha='left')
  return figure


def label(axes: Axes, x_label: str | None, y_label: str | None) -> None:
  """Labels in the house's size, few ticks, and no box around the data."""
  axes.set_xlabel(x_label or '', fontsize=LABEL_SIZE)
  axes.set_ylabel(y_label or '', fontsize=LABEL_SIZE)
  axes.tick_params(labelsize=LABEL_SIZE, length=3)
  axes.spines[['top', 'right']].set_visible(False)
  for axis in (axes.xaxis, axes.yaxis):
    axis.get_major_locator().set_params(nbins=6, steps=[1, 2, 5, 10])


def true_minus(number: str) -> str:
  """The number with a minus sign where it had a hyphen."""
  return number.replace('-', '−')


def known(given: Collection[str], allowed: Collection[str], name: str) -> None:
  """ValueError where `given` holds what `allowed` does not."""
  for one in given:
    if one not in allowed:
      hint = nearest(one, allowed)
      raise ValueError(f'{name}: no {one!r} among {list(allowed)}{hint}')


def save(figure: Figure, path: str | os.PathLike) -> Path:
  """The path, now a PNG of the whole figure at 150 dpi; never half a file."""
  with files.replaced(path, 'wb') as file:
    figure.savefig(file, format='png', dpi=DPI)
  return Path(path)

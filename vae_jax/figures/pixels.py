"""Places in whole pixels, counted from the top left corner of a figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from vae_jax.figures import style
from vae_jax.figures.style import DPI, LABEL_SIZE, PAD, TITLE_SIZE

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure


def page(
  height: int, width: int, left: int, right: int, bottom: int, title: str | None
) -> tuple[Figure, int]:
  """(a figure around a box of this size, the pixels above the box)."""
  title = title or ''
  top = PAD + line_height(TITLE_SIZE) * len(title.splitlines())
  right = max(width + right, text_width(title, TITLE_SIZE) + PAD)
  figure = style.blank(left + right, top + height + bottom)
  write(figure, left, PAD - 2, title, fontsize=TITLE_SIZE, va='top')
  return figure, top


def box(figure: Figure, left: int, top: int, width: int, height: int) -> Axes:
  """Axes that cover exactly these pixels."""
  across, down = (round(v * DPI) for v in figure.get_size_inches())
  return figure.add_axes(
    (left / across, 1 - (top + height) / down, width / across, height / down)
  )


def write(figure: Figure, x: float, y: float, text: str, **kwargs) -> None:
  """Writes the text at this pixel."""
  across, down = figure.get_size_inches() * DPI
  kwargs = {'fontsize': LABEL_SIZE, 'va': 'center', **kwargs}
  if text:
    figure.text(x / across, 1 - y / down, text, **kwargs)


def margin(texts: Iterable[str]) -> int:
  """The width of a margin that holds these labels, if there are any."""
  return PAD + max((text_width(t) + PAD for t in texts), default=0)


def line_height(size: float = LABEL_SIZE) -> int:
  """The height of one line of text of this many points."""
  return round(1.5 * size * DPI / 72)


def text_width(text: str, size: float = LABEL_SIZE) -> int:
  """The width of the text's longest line."""
  from matplotlib.textpath import TextPath

  lines = [line for line in text.splitlines() if line.strip()]
  widths = [TextPath((0, 0), t, size=size).get_extents().width for t in lines]
  # Hinting draws the letters a little wider than their outlines.
  return int(np.ceil(1.05 * max(widths, default=0) * DPI / 72))

"""A table of numbers as a heat map, with the numbers in its cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_jax.figures import pixels, style
from vae_jax.figures.style import DPI, LABEL_SIZE

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

COLOURS = 'viridis'  # perceptually uniform, safe for the colour-blind


def matrix(
  values: Any,
  row_names: Sequence[str],
  column_names: Sequence[str],
  title: str | None = None,
  x_label: str | None = None,
  y_label: str | None = None,
  unit: str | None = None,
  form: str = 'z.1f',
  by_column: bool = False,
  highlight: Collection[tuple[int, int]] = (),
) -> Figure:
  """A cell for each of values [rows, columns], NaN where there is none.

  `form` formats the numbers and `unit` names them; `by_column` gives each
  column colours of its own, for columns of different units; `highlight` frames
  cells (row, column). ValueError for other shapes or values not finite.
  """
  values_RC = _checked(values, row_names, column_names)
  cells = set(np.ndindex(values_RC.shape))
  if strange := [cell for cell in highlight if cell not in cells]:
    raise ValueError(f'matrix: no cell {strange[0]} to highlight')
  share_RC = _shares(values_RC, by_column)
  figure = style.chart(*_size(values_RC, row_names, title, y_label), title)
  axes = figure.subplots()
  from matplotlib import colormaps

  colours_RC4 = colormaps[COLOURS](share_RC)
  colours_RC4[np.isnan(values_RC)] = (0.9, 0.9, 0.9, 1)
  axes.imshow(colours_RC4, aspect='auto', interpolation='nearest')
  _names(axes, row_names, column_names, x_label, y_label, unit)
  for (row, column), value in np.ndenumerate(values_RC):
    text = '–' if np.isnan(value) else style.true_minus(f'{value:{form}}')
    _cell(axes, row, column, text, colours_RC4[row, column])
  for row, column in highlight:
    _frame(axes, row, column)
  return figure


def _checked(values: Any, row_names, column_names) -> np.ndarray:
  """The values as floats [rows, columns]; or ValueError."""
  values_RC = np.asarray(values, float)
  shape = len(row_names), len(column_names)
  if values_RC.shape != shape or not values_RC.size:
    raise ValueError(
      f'matrix: values must be [{shape[0]}, {shape[1]}] for these names, got '
      f'{list(values_RC.shape)}'
    )
  if np.isinf(values_RC).any():
    raise ValueError(f'matrix: values must be finite or NaN, got {values}')
  return values_RC


def _shares(values_RC: np.ndarray, by_column: bool) -> np.ndarray:
  """Where each value lies from the lowest, 0, to the highest, 1; 0.5 where
  they are equal, and for NaN."""
  known_RC = np.where(np.isnan(values_RC), np.inf, values_RC)
  axis = 0 if by_column else None
  low = known_RC.min(axis, keepdims=True)
  high = np.where(known_RC == np.inf, -np.inf, known_RC)
  high = high.max(axis, keepdims=True)
  span = np.where(np.isfinite(low) & (high > low), high - low, np.nan)
  return np.nan_to_num((values_RC - low) / span, nan=0.5)


def _size(values_RC, row_names, title, y_label) -> tuple[float, float]:
  """Inches across and down that hold the cells and the names."""
  rows, columns = values_RC.shape
  left = pixels.margin(row_names) / DPI + (0.2 if y_label else 0)
  title_lines = 0.3 if title else 0
  return left + 0.62 * columns + 0.25, 0.3 * rows + 0.75 + title_lines


def _names(axes: Axes, row_names, column_names, x_label, y_label, unit):
  """Names at the left of the rows and below the columns."""
  axes.set_yticks(range(len(row_names)), list(row_names))
  axes.set_xticks(range(len(column_names)), list(column_names))
  axes.tick_params(labelsize=LABEL_SIZE, length=0)
  if max(map(len, column_names)) > 9:
    for text in axes.get_xticklabels():
      text.set(rotation=25, ha='right', rotation_mode='anchor')
  axes.spines[:].set_visible(False)
  axes.set_xlabel(x_label or '', fontsize=LABEL_SIZE)
  axes.set_ylabel(y_label or '', fontsize=LABEL_SIZE)
  if unit:
    axes.set_title(unit, fontsize=LABEL_SIZE, loc='right', pad=3)


def _cell(axes: Axes, row: int, column: int, text: str, colour) -> None:
  """The text in its cell, black or white, whichever has more contrast."""
  red, green, blue = (_linear(c) for c in colour[:3])
  luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
  # The two contrast ratios of WCAG 2.1 are equal at this luminance.
  ink = 'black' if luminance > 0.179 else 'white'
  look = {'ha': 'center', 'va': 'center', 'fontsize': LABEL_SIZE}
  axes.text(column, row, text, color=ink, **look)


def _linear(c: float) -> float:
  """A channel of sRGB in [0, 1] as light."""
  return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4


def _frame(axes: Axes, row: int, column: int) -> None:
  """A frame inside the edge of a cell, dark on light and light on dark."""
  from matplotlib.patches import Rectangle

  corner = column - 0.46, row - 0.44
  for colour, width in (('white', 3.0), (style.LINE_COLOURS[1], 1.6)):
    axes.add_patch(
      Rectangle(corner, 0.92, 0.88, fill=False, color=colour, linewidth=width)
    )

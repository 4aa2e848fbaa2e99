"""Figures of one axes: points in the plane, and bars."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_jax.figures import style
from vae_jax.figures.style import ACCENT, LABEL_SIZE

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure


def scatter(
  z_N2: np.ndarray,
  label_N: np.ndarray | None = None,
  classes: Sequence[str] | None = None,
  title: str | None = None,
  x_label: str | None = None,
  y_label: str | None = None,
) -> Figure:
  """Points [N, 2] in the plane, coloured by their integer labels [N].

  ValueError for other shapes, or for a label that `classes` does not name.
  """
  z_N2 = np.asarray(z_N2)
  if z_N2.ndim != 2 or z_N2.shape[1] != 2:
    raise ValueError(f'scatter: points must be [N, 2], got {z_N2.shape}')
  figure = style.chart(4.0, 3.3, title)
  axes = figure.subplots()
  axes.set_aspect('equal', adjustable='datalim')
  style.label(axes, x_label, y_label)
  class_points(axes, z_N2, label_N, classes)
  if label_N is not None:
    outside_legend(axes)
  return figure


def class_points(axes: Axes, z_N2: np.ndarray, label_N, classes) -> None:
  """The points, in a colour and a marker for each class if there are labels."""
  size = np.clip(6000 / max(len(z_N2), 1), 1.5, 12)
  dot = {'s': size, 'alpha': 0.6, 'linewidths': 0}
  if label_N is None:
    axes.scatter(*z_N2.T, color=ACCENT, **dot)
    return
  label_N, names = _labels(label_N, len(z_N2), classes)
  looks = list(itertools.product(style.MARKERS, style.CLASS_COLOURS))
  for y, name in enumerate(names):
    marker, colour = looks[y % len(looks)]
    points_2N = z_N2[label_N == y].T
    axes.scatter(*points_2N, color=colour, marker=marker, label=name, **dot)


def bars(
  values: Mapping[str, float],
  title: str | None = None,
  y_label: str | None = None,
  highlight: str | Collection[str] | None = None,
) -> Figure:
  """Horizontal bars from zero, the first on top, each with its number.

  `y_label` names the quantity, `highlight` the bars to draw in the accent
  colour. ValueError for no bars, numbers not finite, or an unknown highlight.
  """
  numbers = np.asarray(list(values.values()), float)
  if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
    raise ValueError(f'bars: values must be finite numbers, got {values}')
  highlight = (highlight,) if isinstance(highlight, str) else highlight or ()
  style.known(highlight, values, 'highlight')
  height = 0.21 * len(values) + (0.3 if title else 0.1) + 0.45
  figure = style.chart(4.4, height, title)
  axes = figure.subplots()
  style.label(axes, y_label, None)
  colours = [ACCENT if name in highlight else style.PLAIN for name in values]
  drawn = axes.barh(range(len(values)), numbers, height=0.7, color=colours)
  axes.bar_label(drawn, _rounded(numbers), padding=3, fontsize=LABEL_SIZE)
  axes.set_yticks(range(len(values)), list(values))
  axes.tick_params(axis='y', length=0)
  axes.invert_yaxis()
  axes.margins(x=0.17, y=0.04)
  axes.axvline(0, color='black', linewidth=0.8)
  axes.spines['left'].set_visible(False)
  return figure


def _labels(
  label_N: Any, count: int, classes: Sequence[str] | None
) -> tuple[np.ndarray, Sequence[str]]:
  """(integer labels [N], the names of the classes), or ValueError."""
  label_N = np.asarray(label_N)
  if label_N.shape != (count,) or label_N.dtype.kind not in 'iu':
    raise ValueError(
      f'scatter: labels must be integers [{count}], '
      f'got {label_N.dtype} {list(label_N.shape)}'
    )
  highest = int(label_N.max(initial=-1))
  names = [str(y) for y in range(highest + 1)] if classes is None else classes
  if highest >= len(names) or label_N.min(initial=0) < 0:
    raise ValueError(
      f'scatter: labels must be from 0 to {len(names) - 1}, '
      f'got {label_N.min()} to {highest}'
    )
  return label_N, names


def outside_legend(axes: Axes) -> None:
  """A legend at the right of the axes, in opaque marks that can be seen."""
  legend = axes.legend(
    loc='center left', bbox_to_anchor=(1.0, 0.5), fontsize=LABEL_SIZE,
    frameon=False, handletextpad=0.2, labelspacing=0.35, scatterpoints=1,
  )  # fmt: skip
  for handle in legend.legend_handles:
    handle.set(alpha=1, sizes=[22])


def _rounded(numbers: np.ndarray) -> list[str]:
  """The numbers with equal decimals: three digits, four if that tells apart."""
  largest = max(float(np.abs(numbers).max()), 1e-9)
  decimals = max(0, 2 - int(np.floor(np.log10(largest))))
  texts = [f'{v:.{decimals}f}' for v in numbers]
  if len(set(texts)) < len(np.unique(numbers)):
    texts = [f'{v:.{decimals + 1}f}' for v in numbers]
  return [style.true_minus(text) for text in texts]

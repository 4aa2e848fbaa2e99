"""Figures of a run's history: curves over the steps, in a few panels."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_jax.figures import style
from vae_jax.figures.style import LABEL_SIZE

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure


def curves(
  history: Sequence[Mapping[str, Any]],
  panels: Mapping[str, tuple[str, ...]],
  title: str | None = None,
  x: str = 'step',
  units: Mapping[str, str] | None = None,
) -> Figure:
  """One panel for each entry of `panels`, one line for each of its keys.

  Lines of the history that lack a key, or hold None there, are skipped; `units`
  has the y label of a panel. ValueError if the history has nothing of a panel.
  """
  if not panels:
    raise ValueError('curves: panels is empty, name at least one')
  units = units or {}
  style.known(units, panels, 'units')
  # A name has one colour in all panels.
  names = dict.fromkeys(
    _name(k, keys) for keys in panels.values() for k in keys
  )
  colours = dict(zip(names, itertools.cycle(style.LINE_COLOURS)))
  figure, all_axes = panel_axes(len(panels), title)
  for axes, (panel, keys) in zip(all_axes, panels.items(), strict=True):
    style.label(axes, 'training step' if x == 'step' else x, units.get(panel))
    axes.set_title(panel, fontsize=LABEL_SIZE, loc='left')
    _draw(axes, history, x, keys, colours)
  look = {'fontsize': LABEL_SIZE, 'frameon': False, 'handlelength': 1.4}
  if len(panels) == 1:  # wide enough to have it where no line is
    figure.legend(loc='outside lower center', ncols=2, **look)
  else:
    for axes in all_axes:
      axes.legend(**look)
  return figure


def _name(key: str, keys: Sequence[str]) -> str:
  """'train' for 'train/loss' where the keys differ in that part only."""
  split, _, rest = key.partition('/')
  same_metric = rest and all(k.partition('/')[2] == rest for k in keys)
  return split if same_metric else key.replace('/', ' ')


def panel_axes(
  count: int, title: str | None, height: float = 1.9, beside: float = 0.0
) -> tuple[Figure, list[Axes]]:
  """(figure, one axes a panel), at most three beside each other, each of this
  many inches in height; `beside` inches are for what stands at their right."""
  columns = 2 if count == 4 else min(count, 3)
  down = -(-count // columns)
  width = style.WIDTH if columns > 1 else 3.4
  width += beside
  figure = style.chart(width, height * down + (0.25 if title else 0), title)
  all_axes = figure.subplots(down, columns, squeeze=False).ravel()
  for axes in all_axes[count:]:
    axes.remove()
  return figure, list(all_axes[:count])


def _draw(
  axes: Axes,
  history: Sequence[Mapping[str, Any]],
  x: str,
  keys: Sequence[str],
  colours: Mapping[str, str],
) -> None:
  """One line for each key the history holds; ValueError if it holds none."""
  from matplotlib.ticker import EngFormatter, MaxNLocator

  for key in keys:
    x_L, y_L = _series(history, x, key)
    if len(x_L):
      name = _name(key, keys)
      look = {'marker': 'o', 'markersize': 3} if len(x_L) <= 20 else {}
      look |= {'color': colours[name], 'linewidth': 1.2}
      axes.plot(x_L, y_L, label=name, **look)
  if not axes.lines:
    held = sorted({key for line in history for key in line})
    raise ValueError(
      f'curves: no line of the history holds {x!r} and one of {list(keys)}; '
      f'they hold {held}'
    )
  axes.xaxis.set_major_locator(MaxNLocator(4, integer=x == 'step'))
  if x == 'step':
    axes.xaxis.set_major_formatter(EngFormatter(sep=''))


def _series(
  history: Sequence[Mapping[str, Any]], x: str, key: str
) -> tuple[np.ndarray, np.ndarray]:
  """(x [L], y [L]) of the history's lines that hold both."""
  pairs = [(line.get(x), line.get(key)) for line in history]
  held = [(a, b) for a, b in pairs if a is not None and b is not None]
  x_L, y_L = np.asarray(held, float).reshape(-1, 2).T
  return x_L, y_L

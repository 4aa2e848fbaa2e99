"""Figures that compare runs: lines with bands over a number, scatters."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vae_jax.figures import style
from vae_jax.figures.history import panel_axes
from vae_jax.figures.plots import class_points, outside_legend
from vae_jax.figures.style import LABEL_SIZE

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

# More names than this would cover the lines of a panel that stands alone.
NAMES_INSIDE = 3
BESIDE = 1.5  # inches for a legend

Line = Mapping[float, Sequence[float]]  # x -> its values, one for each seed


def lines(
  panels: Mapping[str, Mapping[str, Line]],
  x_label: str,
  title: str | None = None,
  log: int | None = 2,
  dashed: Sequence[str] = (),
  ranges: Mapping[str, Mapping[float, tuple[float, float]]] | None = None,
) -> Figure:
  """A panel for each y label, in it a line for each name through the means of
  the values at each x, with a band of one standard error where there are more.

  `log` is the base of the x axis, None for a linear one; the `dashed` lines are
  references. `ranges`, name -> x -> (low, high), are bands instead of the
  standard errors, and let the y axis begin at 0. ValueError without panels, for
  a panel without lines, or for values that are not finite.
  """
  if not panels or not all(panels.values()):
    raise ValueError('lines: every panel needs a line')
  names = list(
    dict.fromkeys(name for panel in panels.values() for name in panel)
  )
  style.known(dashed, names, 'dashed')
  colours = dict(zip(names, itertools.cycle(style.LINE_COLOURS)))
  beside = len(panels) == 1 and len(names) > NAMES_INSIDE
  figure, all_axes = panel_axes(
    len(panels), title, beside=BESIDE if beside else 0.0
  )
  for axes, (y_label, panel) in zip(all_axes, panels.items(), strict=True):
    style.label(axes, x_label, y_label)
    for name, line in panel.items():
      dash = '--' if name in dashed else '-'
      _line(axes, name, line, colours[name], dash, (ranges or {}).get(name))
    _x_axis(axes, log, sorted({x for line in panel.values() for x in line}))
  _legend(figure, all_axes, names, beside)
  return figure


def _line(
  axes: Axes,
  name: str,
  line: Line,
  colour: str,
  dash: str,
  ranges: Mapping[float, tuple[float, float]] | None,
) -> None:
  """The means, and a band of one standard error around them or of `ranges`."""
  x_L = sorted(line)
  values_L = [np.asarray(line[x], float).ravel() for x in x_L]
  if not all(v.size and np.isfinite(v).all() for v in values_L):
    raise ValueError(f'lines: the values of {name!r} must be finite numbers')
  mean_L = np.array([v.mean() for v in values_L])
  error_L = np.array(
    [v.std(ddof=1) / np.sqrt(v.size) if v.size > 1 else 0.0 for v in values_L]
  )
  axes.plot(
    x_L, mean_L, dash, color=colour, marker='o', markersize=3, linewidth=1.2,
    label=name,
  )  # fmt: skip
  low_L, high_L = mean_L - error_L, mean_L + error_L
  if ranges:
    low_L, high_L = np.array([ranges[x] for x in x_L], float).T
    axes.set_ylim(bottom=0)
  if (low_L < high_L).any():
    axes.fill_between(x_L, low_L, high_L, color=colour, alpha=0.2, linewidth=0)


def _x_axis(axes: Axes, log: int | None, x_L: Sequence[float]) -> None:
  """The axis, with a tick at each x that has room for its text."""
  from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

  if log is None:
    return
  axes.set_xscale('log', base=log)
  if len(x_L) <= 8:  # else at powers
    axes.xaxis.set_major_locator(FixedLocator(_apart(x_L)))
  axes.xaxis.set_minor_locator(NullLocator())
  axes.xaxis.set_major_formatter(StrMethodFormatter('{x:g}'))


def _apart(x_L: Sequence[float]) -> list[float]:
  """Those of the sorted numbers that do not crowd a log axis."""
  room, shown = np.log(x_L[-1] / x_L[0]) / 9, [x_L[0]]
  for x in x_L[1:]:
    if np.log(x / shown[-1]) >= room:
      shown.append(x)
  return shown


def _legend(figure: Figure, all_axes: Sequence[Axes], names, beside) -> None:
  """One legend for all panels: below them; for one that stands alone, in it or
  `beside` it."""
  handles = {}
  for axes in all_axes:
    shown, labels = axes.get_legend_handles_labels()
    handles |= dict(zip(labels, shown, strict=True))
  handles = [handles[name] for name in names]
  look = {'fontsize': LABEL_SIZE, 'frameon': False, 'handlelength': 1.6}
  if beside:
    figure.legend(handles, names, loc='outside right center', **look)
  elif len(all_axes) == 1:
    all_axes[0].legend(handles, names, **look)
  elif len(names) > 1:
    columns = min(len(names), 4)
    figure.legend(
      handles, names, loc='outside lower center', ncols=columns, **look
    )


def scatters(
  points: Mapping[str, np.ndarray],
  label_N: np.ndarray | None = None,
  classes: Sequence[str] | None = None,
  title: str | None = None,
) -> Figure:
  """Points [N, 2] side by side under their names, with one legend for all.

  All are coloured by the same labels [N]. ValueError for other shapes, or for
  a label that `classes` does not name.
  """
  if not points:
    raise ValueError('scatters: there are no points')
  for name, z_N2 in points.items():
    if np.ndim(z_N2) != 2 or np.shape(z_N2)[1] != 2:
      raise ValueError(f'scatters: {name!r} must be [N, 2], not {z_N2.shape}')
  figure, all_axes = panel_axes(len(points), title, height=2.3)
  for axes, (name, z_N2) in zip(all_axes, points.items(), strict=True):
    axes.set_title(name, fontsize=LABEL_SIZE, loc='left')
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect('equal', adjustable='datalim')
    class_points(axes, np.asarray(z_N2), label_N, classes)
  if label_N is not None:
    outside_legend(all_axes[-1])
  return figure

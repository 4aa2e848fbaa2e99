"""Figures for a paper: pure functions from arrays to a matplotlib Figure.

Text sizes and widths are those of a NeurIPS column (5.5 inches), colours are
safe for the colour-blind, and nothing global is touched: no pyplot, no rc.
"""

from __future__ import annotations

import difflib
import os
import textwrap
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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


def rows(
  images: Mapping[str, np.ndarray],
  title: str | None = None,
  notes: Mapping[str, str] | None = None,
) -> Figure:
  """One labelled row for each entry of floats [n, H, W, C] in [0, 1].

  The rows may differ in H, W and C, not in n (ValueError); `notes` puts a small
  text at the right of a row. Pixels stay square and whole in the PNG.
  """
  images_NHWC = {k: _images(v, 4, repr(k)) for k, v in images.items()}
  counts = {name: len(v) for name, v in images_NHWC.items()}
  if len(set(counts.values())) != 1:
    raise ValueError(f'rows must hold equally many images, got {counts}')
  notes = dict(notes or {})
  _known(notes, images, 'notes')
  left, right = (
    PAD + max((_text_width(t) + PAD for t in texts), default=0)
    for texts in (images, notes.values())
  )
  columns = max(counts.values())
  height, width = _tile(images_NHWC, WIDTH * DPI - left - right, columns)
  top = _top(title)
  figure = _figure(
    max(left + columns * (width + GAP) - GAP + right, _room(title, left)),
    top + len(images) * (height + GAP) - GAP + PAD,
  )
  _title(figure, title, left)
  for row, (name, image_NHWC) in enumerate(images_NHWC.items()):
    y = top + row * (height + GAP)
    _text(figure, left - PAD, y + height / 2, name, ha='right')
    for column, image_HWC in enumerate(image_NHWC):
      x = left + column * (width + GAP)
      _show(_pixel_axes(figure, x, y, width, height), image_HWC)
    end = left + columns * (width + GAP) - GAP + PAD
    _text(figure, end, y + height / 2, notes.get(name, ''), ha='left')
  return figure


def grid(
  images_RCHWC: np.ndarray,
  title: str | None = None,
  x_label: str | None = None,
  y_label: str | None = None,
  x_ticks: Sequence[Any] | None = None,
  y_ticks: Sequence[Any] | None = None,
) -> Figure:
  """One seamless mosaic of [rows, columns, H, W, C] floats in [0, 1].

  `x_ticks` has a number or text for each column and `y_ticks` for each row
  from the top, or ValueError; about five are written, at the tiles' centres.
  """
  images_RCHWC = _images(images_RCHWC, 5, 'grid')
  height, width = images_RCHWC.shape[2:4]
  x_at, x_names = _ticks(x_ticks, images_RCHWC.shape[1], width, 'x_ticks')
  y_at, y_names = _ticks(y_ticks, images_RCHWC.shape[0], height, 'y_ticks')
  mosaic_HWC = np.concatenate(np.concatenate(images_RCHWC, axis=1), axis=1)
  height, width = _tile({'': mosaic_HWC[None]}, 4 * DPI, 1, largest=4 * DPI)
  line, top = _line(LABEL_SIZE), _top(title)
  names_width = max((_text_width(n) for n in y_names), default=-PAD)
  left = PAD + (line + 4 if y_label else 0) + round(names_width) + PAD
  bottom = PAD + (line if x_label else 0) + (line + 4 if x_names else 0)
  right = 2 * PAD if x_names else PAD
  figure = _figure(
    max(left + width + right, _room(title, left)), top + height + bottom
  )
  _title(figure, title, left)
  axes = _pixel_axes(figure, left, top, width, height)
  _show(axes, mosaic_HWC)
  axes.set_xticks(x_at, x_names)
  axes.set_yticks(y_at, y_names)
  axes.tick_params(length=2, pad=2, labelsize=LABEL_SIZE)
  axes.set_xlabel(x_label or '', fontsize=LABEL_SIZE, labelpad=2)
  axes.set_ylabel(y_label or '', fontsize=LABEL_SIZE, labelpad=2)
  return figure


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
  figure = _figure(4.0 * DPI, 3.3 * DPI, layout='constrained')
  axes = figure.subplots()
  axes.set_aspect('equal', adjustable='datalim')
  _style(axes, x_label, y_label)
  _headline(figure, title)
  size = np.clip(6000 / max(len(z_N2), 1), 1.5, 12)
  style = {'s': size, 'alpha': 0.6, 'linewidths': 0}
  if label_N is None:
    axes.scatter(*z_N2.T, color=ACCENT, **style)
    return figure
  label_N, names = _labels(label_N, len(z_N2), classes)
  for y, name in enumerate(names):
    colour = CLASS_COLOURS[y % len(CLASS_COLOURS)]
    marker = MARKERS[y // len(CLASS_COLOURS) % len(MARKERS)]
    points_2N = z_N2[label_N == y].T
    axes.scatter(*points_2N, color=colour, marker=marker, label=name, **style)
  _outside_legend(axes)
  return figure


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
  _known(units or {}, panels, 'units')
  groups = panels.values()
  lines = list(dict.fromkeys(_line_name(k, g) for g in groups for k in g))
  colours = {
    n: LINE_COLOURS[i % len(LINE_COLOURS)] for i, n in enumerate(lines)
  }
  figure, all_axes = _panels(len(panels), title)
  for axes, (panel, group) in zip(all_axes, panels.items(), strict=True):
    x_label = 'training step' if x == 'step' else x
    _style(axes, x_label, (units or {}).get(panel))
    axes.set_title(panel, fontsize=LABEL_SIZE, loc='left')
    _draw_lines(axes, history, x, group, colours)
  return figure


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
  _known(highlight, values, 'highlight')
  height = 0.21 * len(values) + (0.3 if title else 0.1) + 0.45
  figure = _figure(4.4 * DPI, height * DPI, layout='constrained')
  axes = figure.subplots()
  _style(axes, y_label, None)
  _headline(figure, title)
  colours = [ACCENT if name in highlight else PLAIN for name in values]
  drawn = axes.barh(range(len(values)), numbers, height=0.7, color=colours)
  axes.bar_label(drawn, _rounded(numbers), padding=3, fontsize=LABEL_SIZE)
  axes.set_yticks(range(len(values)), list(values))
  axes.tick_params(axis='y', length=0)
  axes.invert_yaxis()
  axes.margins(x=0.17, y=0.04)
  axes.axvline(0, color='black', linewidth=0.8)
  axes.spines['left'].set_visible(False)
  return figure


def save(figure: Figure, path: str | os.PathLike) -> Path:
  """The path, now a PNG of the whole figure at 150 dpi; never half a file."""
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
  try:
    figure.savefig(temporary, format='png', dpi=DPI)
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)
  return path


def _figure(width: float, height: float, layout: str | None = None) -> Figure:
  """A blank figure of this many pixels; matplotlib is first imported here."""
  from matplotlib.figure import Figure

  # matplotlib truncates to whole pixels, and 577 / 150 * 150 may be 576.99.
  size = (round(width) + 0.01) / DPI, (round(height) + 0.01) / DPI
  return Figure(figsize=size, dpi=DPI, layout=layout, facecolor='white')


def _images(images: Any, rank: int, name: str) -> np.ndarray:
  """The images as float32 in [0, 1], or ValueError for shape or dtype."""
  images = np.asarray(images)
  axes = '[n, H, W, C]' if rank == 4 else '[rows, columns, H, W, C]'
  fits = images.ndim == rank and images.shape[-1] in (1, 3) and images.size
  if not fits or images.dtype.kind in 'iu':
    raise ValueError(
      f'{name}: images must be floats {axes} in [0, 1] with C = 1 or 3, '
      f'got {images.dtype} {list(images.shape)}'
    )
  # A diverged run still gets its picture: what is not a number is black.
  return np.clip(np.nan_to_num(images.astype(np.float32)), 0, 1)


def _known(given: Collection[str], allowed: Collection[str], name: str) -> None:
  """ValueError where `given` holds what `allowed` does not."""
  for one in given:
    if one not in allowed:
      near = difflib.get_close_matches(one, list(allowed), 1)
      hint = f'; did you mean {near[0]!r}?' if near else ''
      raise ValueError(f'{name}: no {one!r} among {list(allowed)}{hint}')


def _tile(
  images: Mapping[str, np.ndarray],
  room: float,
  columns: int,
  largest: float = 0.9 * DPI,
) -> tuple[int, int]:
  """Pixels (height, width) for an image: a whole multiple of the finest one."""
  height = max(v.shape[1] for v in images.values())
  width = max(v.shape[2] for v in images.values())
  wanted = min(largest, room / columns - GAP)
  # A little too wide is better than half as large as it could be.
  scale = max(1, int(1.2 * wanted / max(height, width)))
  return scale * height, scale * width


def _line(size: float) -> int:
  """The height in pixels of one line of text of this many points."""
  return round(1.5 * size * DPI / 72)


def _top(title: str | None) -> int:
  """The height in pixels above the images."""
  return PAD + _line(TITLE_SIZE) * len(title.splitlines()) if title else PAD


def _room(title: str | None, left: float) -> float:
  """The width in pixels that a figure needs for its title."""
  return left + _text_width(title or '', TITLE_SIZE) + PAD


def _text_width(text: str, size: float = LABEL_SIZE) -> int:
  """The width in pixels of the text's longest line."""
  from matplotlib.textpath import TextPath

  lines = [line for line in text.splitlines() if line.strip()]
  widths = [TextPath((0, 0), t, size=size).get_extents().width for t in lines]
  # Hinting draws the letters a little wider than their outlines.
  return int(np.ceil(1.05 * max(widths, default=0) * DPI / 72))


def _pixel_axes(
  figure: Figure, left: float, top: float, width: float, height: float
) -> Axes:
  """Axes that cover exactly this box of pixels, from the top left corner."""
  across, down = (round(v * DPI) for v in figure.get_size_inches())
  box = left / across, 1 - (top + height) / down, width / across, height / down
  return figure.add_axes(box)


def _text(figure: Figure, x: float, y: float, text: str, **kwargs) -> None:
  """Writes the text at this pixel, from the top left corner."""
  across, down = figure.get_size_inches() * DPI
  kwargs = {'fontsize': LABEL_SIZE, 'va': 'center', **kwargs}
  if text:
    figure.text(x / across, 1 - y / down, text, **kwargs)


def _title(figure: Figure, title: str | None, left: float) -> None:
  _text(figure, left, PAD - 2, title or '', fontsize=TITLE_SIZE, va='top')


def _headline(figure: Figure, title: str | None) -> None:
  """Sets the title, in as many lines as the figure's width needs."""
  across = figure.get_figwidth()
  text = textwrap.fill(title or '', int(13 * across))
  if text:
    x = PAD / DPI / across
    figure.suptitle(text, fontsize=TITLE_SIZE, x=x, ha='left')


def _show(axes: Axes, image_HWC: np.ndarray) -> None:
  """Draws one image, black at 0 and white (or the full colour) at 1."""
  image = image_HWC[..., 0] if image_HWC.shape[-1] == 1 else image_HWC
  axes.imshow(image, cmap='gray', vmin=0, vmax=1, interpolation='nearest')
  axes.set_xticks([])
  axes.set_yticks([])
  axes.spines[:].set_visible(False)


def _ticks(
  ticks: Sequence[Any] | None, count: int, side: int, name: str
) -> tuple[list[float], list[str]]:
  """(centres of a few tiles, their texts), the first and the last included."""
  if ticks is None:
    return [], []
  if len(ticks) != count:
    raise ValueError(f'grid: {name} must be {count} values, got {len(ticks)}')
  # An odd number has a middle tile, an even one has none: keep the symmetry.
  few = count if count <= 6 else 4 + count % 2
  at = [int(i) for i in np.linspace(0, count - 1, few).round()]
  return [(i + 0.5) * side - 0.5 for i in at], [_number(ticks[i]) for i in at]


def _number(value: Any) -> str:
  """A tick's text: three digits, a true minus sign, and no negative zero."""
  if isinstance(value, str):
    return value
  return f'{0 if abs(value) < 1e-9 else float(value):.3g}'.replace('-', '−')


def _rounded(numbers: np.ndarray) -> list[str]:
  """The numbers with equal decimals: three digits, four if that tells apart."""
  largest = max(float(np.abs(numbers).max()), 1e-9)
  decimals = max(0, 2 - int(np.floor(np.log10(largest))))
  texts = [f'{v:.{decimals}f}' for v in numbers]
  if len(set(texts)) < len(np.unique(numbers)):
    texts = [f'{v:.{decimals + 1}f}' for v in numbers]
  return [t.replace('-', '−') for t in texts]


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


def _outside_legend(axes: Axes) -> None:
  """A legend at the right of the axes, in opaque marks that can be seen."""
  legend = axes.legend(
    loc='center left', bbox_to_anchor=(1.0, 0.5), fontsize=LABEL_SIZE,
    frameon=False, handletextpad=0.2, labelspacing=0.35, scatterpoints=1,
  )  # fmt: skip
  for handle in legend.legend_handles:
    handle.set(alpha=1, sizes=[22])


def _style(axes: Axes, x_label: str | None, y_label: str | None) -> None:
  """Labels in the house's size, few ticks, and no box around the data."""
  axes.set_xlabel(x_label or '', fontsize=LABEL_SIZE)
  axes.set_ylabel(y_label or '', fontsize=LABEL_SIZE)
  axes.tick_params(labelsize=LABEL_SIZE, length=3)
  axes.spines[['top', 'right']].set_visible(False)
  for axis in (axes.xaxis, axes.yaxis):
    axis.get_major_locator().set_params(nbins=6, steps=[1, 2, 5, 10])


def _panels(count: int, title: str | None) -> tuple[Figure, list[Axes]]:
  """(figure, one axes a panel), at most three beside each other."""
  columns = 2 if count == 4 else min(count, 3)
  down = -(-count // columns)
  width = WIDTH if columns > 1 else 3.4
  height = 1.9 * down + (0.25 if title else 0)
  figure = _figure(width * DPI, height * DPI, layout='constrained')
  _headline(figure, title)
  all_axes = figure.subplots(down, columns, squeeze=False).ravel()
  for axes in all_axes[count:]:
    axes.remove()
  return figure, list(all_axes[:count])


def _line_name(key: str, group: Sequence[str]) -> str:
  """'train' for 'train/loss' where the group differs in that part only."""
  split, _, rest = key.partition('/')
  alike = rest and all(k.partition('/')[2] == rest for k in group)
  return split if alike else key.replace('/', ' ')


def _series(
  history: Sequence[Mapping[str, Any]], x: str, key: str
) -> tuple[np.ndarray, np.ndarray]:
  """(x [L], y [L]) of the history's lines that hold both."""
  pairs = [(line.get(x), line.get(key)) for line in history]
  held = [(a, b) for a, b in pairs if a is not None and b is not None]
  x_L, y_L = np.asarray(held, float).reshape(-1, 2).T
  return x_L, y_L


def _draw_lines(
  axes: Axes,
  history: Sequence[Mapping[str, Any]],
  x: str,
  group: Sequence[str],
  colours: Mapping[str, str],
) -> None:
  """One line for each key the history holds; ValueError if it holds none."""
  from matplotlib.ticker import EngFormatter, MaxNLocator

  for key in group:
    x_L, y_L = _series(history, x, key)
    if len(x_L):
      name = _line_name(key, group)
      marker = {'marker': 'o', 'markersize': 3} if len(x_L) <= 20 else {}
      axes.plot(
        x_L, y_L, color=colours[name], label=name, linewidth=1.2, **marker
      )
  if not axes.lines:
    held = sorted({key for line in history for key in line})
    raise ValueError(
      f'curves: no line of the history holds {x!r} and one of {list(group)}; '
      f'they hold {held}'
    )
  axes.legend(fontsize=LABEL_SIZE, frameon=False, handlelength=1.4)
  axes.xaxis.set_major_locator(MaxNLocator(4, integer=x == 'step'))
  if x == 'step':
    axes.xaxis.set_major_formatter(EngFormatter(sep=''))

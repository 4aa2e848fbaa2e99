"""Figures of images: labelled rows, and a seamless grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vae_jax.figures import pixels, style
from vae_jax.figures.style import DPI, GAP, LABEL_SIZE, PAD, WIDTH

if TYPE_CHECKING:
  from matplotlib.axes import Axes
  from matplotlib.figure import Figure

ACROSS = 64  # letters of a tick's size in the width of a mosaic


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
  notes = notes or {}
  style.known(notes, images, 'notes')
  columns = max(counts.values())
  left, right = pixels.margin(images), pixels.margin(notes.values())
  room = (WIDTH * DPI - left - right) / columns - GAP
  sizes = [v.shape[1:3] for v in images_NHWC.values()]
  height, width = _enlarged(*np.max(sizes, axis=0), min(0.9 * DPI, room))
  down, across = height + GAP, width + GAP
  all_down, all_across = len(images) * down - GAP, columns * across - GAP
  figure, top = pixels.page(all_down, all_across, left, right, PAD, title)
  for row, (name, image_NHWC) in enumerate(images_NHWC.items()):
    y = top + row * down
    middle, end = y + height / 2, left + all_across + PAD
    pixels.write(figure, left - PAD, middle, name, ha='right')
    pixels.write(figure, end, middle, notes.get(name, ''), ha='left')
    for column, image_HWC in enumerate(image_NHWC):
      x = left + column * across
      _show(pixels.box(figure, x, y, width, height), image_HWC)
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
  from the top, or ValueError; about five are written, at the tiles' centres,
  or all if they are short names.
  """
  images_RCHWC = _images(images_RCHWC, 5, 'grid')
  down, across, height, width, _ = images_RCHWC.shape
  x_at, x_names = _ticks(x_ticks, across, width, 'x_ticks')
  y_at, y_names = _ticks(y_ticks, down, height, 'y_ticks')
  mosaic_HWC = np.concatenate(np.concatenate(images_RCHWC, axis=1), axis=1)
  height, width = _enlarged(*mosaic_HWC.shape[:2], 4 * DPI - GAP)
  line = pixels.line_height()
  left = pixels.margin(y_names) + (line + 4 if y_label else 0)
  bottom = PAD + (line if x_label else 0) + (line + 4 if x_names else 0)
  right = 2 * PAD if x_names else PAD
  figure, top = pixels.page(height, width, left, right, bottom, title)
  axes = pixels.box(figure, left, top, width, height)
  _show(axes, mosaic_HWC)
  axes.set_xticks(x_at, x_names)
  axes.set_yticks(y_at, y_names)
  axes.tick_params(length=2, pad=2, labelsize=LABEL_SIZE)
  axes.set_xlabel(x_label or '', fontsize=LABEL_SIZE, labelpad=2)
  axes.set_ylabel(y_label or '', fontsize=LABEL_SIZE, labelpad=2)
  return figure


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


def _enlarged(height: int, width: int, wanted: float) -> tuple[int, int]:
  """(height, width) times the whole number that comes near the wanted side."""
  # A little too wide is better than half as large as it could be.
  scale = max(1, int(1.2 * wanted / max(height, width)))
  return scale * height, scale * width


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
  few = count if count <= 6 or all_fit(ticks) else 4 + count % 2
  at = [int(i) for i in np.linspace(0, count - 1, few).round()]
  return [(i + 0.5) * side - 0.5 for i in at], [_number(ticks[i]) for i in at]


def all_fit(ticks: Sequence[Any]) -> bool:
  """Whether these are names that have room beside each other, as classes."""
  if not all(isinstance(tick, str) for tick in ticks):
    return False
  return sum(len(tick) + 2 for tick in ticks) <= ACROSS


def _number(value: Any) -> str:
  """A tick's text: three digits, a true minus sign, and no negative zero."""
  if isinstance(value, str):
    return value
  return style.true_minus(f'{0 if abs(value) < 1e-9 else float(value):.3g}')

"""What a run tells: a progress bar, a table, metrics.jsonl and TensorBoard."""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np


class Writer(NamedTuple):
  """The open metrics.jsonl of a run, and its TensorBoard (or None)."""

  file: TextIO
  board: Any

  def scalars(self, step: int, values: dict):
    """Appends one line {'step': step, 'train/loss': ..., ...} and flushes."""
    row = {'step': int(step)}
    row |= {name: _plain(value) for name, value in values.items()}
    self.file.write(json.dumps(row, allow_nan=False) + '\n')
    self.file.flush()
    if self.board:
      for name, value in row.items():
        if name != 'step' and isinstance(value, int | float):
          self.board.add_scalar(name, value, row['step'])

  def figure(self, step: int, name: str, image):
    """Shows a PNG's path or an [H, W, C] array (uint8, or floats in 0..1)."""
    if self.board:
      pixels_HWC = image if hasattr(image, 'ndim') else _pixels(image)
      self.board.add_image(name, pixels_HWC, int(step), dataformats='HWC')
      self.board.flush()

  def close(self):
    """Flushes and closes both."""
    self.file.close()
    if self.board:
      self.board.close()


def open(run_dir, tensorboard=True, resume_step: int | None = None) -> Writer:
  """A Writer that appends; rows after `resume_step` are dropped first."""
  run_dir = Path(run_dir)
  run_dir.mkdir(parents=True, exist_ok=True)
  path = run_dir / 'metrics.jsonl'
  if path.exists():
    _drop_rows_after(path, resume_step)
  board = _board(run_dir / 'tensorboard', resume_step) if tensorboard else None
  return Writer(path.open('a', encoding='utf-8'), board)


def read(run_dir) -> list[dict]:
  """The rows of metrics.jsonl, None where a value was not finite; [] if new."""
  path = Path(run_dir) / 'metrics.jsonl'
  return _rows(path) if path.exists() else []


def _rows(path):
  """Every complete line: a killed process may leave half of the last one."""
  lines = path.read_text(encoding='utf-8').split('\n')[:-1]
  return [json.loads(line) for line in lines]


def _drop_rows_after(path, step):
  rows = [row for row in _rows(path) if step is None or row['step'] <= step]
  spare = path.with_suffix('.tmp')
  spare.write_text(
    ''.join(json.dumps(row) + '\n' for row in rows), encoding='utf-8'
  )
  os.replace(spare, path)


def _board(directory, resume_step):
  """A tensorboardX writer; TensorBoard hides older events after the step."""
  from tensorboardX import SummaryWriter

  purge = None if resume_step is None else resume_step + 1
  return SummaryWriter(str(directory), purge_step=purge)


def _pixels(path):
  from PIL import Image

  with Image.open(path) as image:
    return np.asarray(image.convert('RGB'))


def _plain(value):
  """What JSON can hold: a plain scalar, None for NaN and infinities."""
  value = _scalar(value)
  finite = not isinstance(value, float) or math.isfinite(value)
  return value if finite else None


def _scalar(value):
  """A numpy or jax scalar as Python's."""
  return value.item() if hasattr(value, 'item') else value


class Progress:
  """A bar on a terminal; elsewhere a line every tenth of the run or `every_s`.

  `start` is the step that a resumed run begins with.
  """

  def __init__(
    self,
    total: int,
    stream: TextIO | None = None,
    width: int = 80,
    start: int = 0,
    every_s: float = 10.0,
    clock=time.monotonic,
  ):
    self.total, self.start, self.width = total, start, width
    self.stream = sys.stderr if stream is None else stream
    self.live = self.stream.isatty()
    self.every_s = 0.1 if self.live else every_s
    self.clock = clock
    self.began = clock()
    self.drawn_at, self.drawn_step = -math.inf, start
    self.line = ''
    self.notes = {}  # shown beside the values of every update

  def update(self, step: int, **values):
    """Draws the step and the values (loss=, steps_per_s=) if it is time to."""
    now = self.clock()
    tenth = step - self.drawn_step >= self.total / 10
    late = now - self.drawn_at >= self.every_s
    if not (late or step >= self.total or (tenth and not self.live)):
      return
    self.drawn_at, self.drawn_step = now, step
    self.line = self._line(step, values | self.notes, now)
    self._draw()

  def say(self, text: str):
    """Prints a line of its own, above the bar."""
    if self.live and self.line:
      self.stream.write('\r' + ' ' * (self.width - 1) + '\r')
    self.stream.write(text + '\n')
    if self.live and self.line:
      self._draw()
    self.stream.flush()

  def close(self):
    """Ends the bar's line."""
    if self.live and self.line:
      self.stream.write('\n')
    self.line = ''
    self.stream.flush()

  def _draw(self):
    room = self.width - 1  # a full line would wrap
    self.stream.write(
      f'\r{self.line[:room]:<{room}}' if self.live else self.line + '\n'
    )
    self.stream.flush()

  def _line(self, step, values, now):
    values = dict(values)
    elapsed = now - self.began
    ours = (step - self.start) / elapsed if elapsed > 0 else 0.0
    rate = float(values.pop('steps_per_s', ours))
    text = f' {step}/{self.total}'
    text += ''.join(f'  {key} {number(v)}' for key, v in values.items())
    text += f'  {number(rate)} steps/s  ETA {_eta(self.total - step, rate)}'
    return _bar(step / max(self.total, 1), self.width - 1 - len(text)) + text


def _bar(fraction, room):
  """[#####-----] in at most 30 characters, nothing where there is no room."""
  size = min(room, 30) - 2
  if size < 3:
    return ''
  full = round(min(max(fraction, 0), 1) * size)
  return '[' + '#' * full + '-' * (size - full) + ']'


def _eta(steps, rate):
  """Minutes and seconds, mm:ss, with hours before them if there are any."""
  if not (rate > 0 and math.isfinite(rate)):
    return '--:--'
  minutes, seconds = divmod(math.ceil(max(steps, 0) / rate), 60)
  hours, minutes = divmod(minutes, 60)
  return (f'{hours}:' if hours else '') + f'{minutes:02d}:{seconds:02d}'


def number(value) -> str:
  """A number in four significant digits (87.10, 0.003214, 12346, nan)."""
  value = _scalar(value)
  if value is None or isinstance(value, str | bool):
    return '-' if value is None else str(value)
  if isinstance(value, int):
    return str(value)
  if 1e3 <= abs(value) < 1e7:
    return f'{value:.0f}'
  small_or_huge = not 1e-4 <= abs(value) < 1e3
  return f'{value:.4g}' if small_or_huge else f'{value:#.4g}'.rstrip('.')


def words(name: str) -> str:
  """A name as words."""
  return {'pca': 'PCA'}.get(name, name.replace('_', ' '))


def counted(n: int, what: str) -> str:
  """'1 run', '2 runs'."""
  return f'{n} {what}' + ('' if n == 1 else 's')


def table(rows: list[tuple], header: tuple) -> str:
  """Columns under their header, those of numbers aligned to the right."""
  cells = [[number(cell) for cell in row] for row in [header, *rows]]
  columns = list(zip(*cells, strict=True))
  widths = [max(map(len, column)) for column in columns]
  right = [
    bool(rows) and not any(isinstance(row[i], str) for row in rows)
    for i in range(len(header))
  ]
  lines = [_row(row, widths, right) for row in cells]
  rule = '  '.join('-' * width for width in widths)
  return '\n'.join([lines[0], rule, *lines[1:]])


def _row(cells, widths, right):
  padded = [
    cell.rjust(width) if to_right else cell.ljust(width)
    for cell, width, to_right in zip(cells, widths, right, strict=True)
  ]
  return '  '.join(padded).rstrip()

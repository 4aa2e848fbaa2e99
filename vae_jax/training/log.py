"""What a run writes while it trains: metrics.jsonl and TensorBoard."""

import functools
import json
import math
import time
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from vae_jax import files
from vae_jax.console import counted, say


class Board:
  """What TensorBoard shows of a run, written by this thread: tensorboardX's own
  writer has one, which a full disk ends and which the process then waits for.
  """

  def __init__(self, directory: Path, suffix: str = ''):
    import tensorboardX.event_file_writer

    self.directory = directory
    with files.named(directory):
      directory.mkdir(parents=True, exist_ok=True)
      prefix = str(directory / 'events')
      self.writer = tensorboardX.event_file_writer.EventsWriter(prefix, suffix)

  def event(self, step: int, **what):
    """Writes an event with these fields."""
    from tensorboardX.proto.event_pb2 import Event

    with files.named(self.directory):
      event = Event(step=step, wall_time=time.time(), **what)
      self.writer.write_event(event)

  def start(self, step: int):
    """Hides older events from this step on."""
    from tensorboardX.proto.event_pb2 import SessionLog

    self.event(step, session_log=SessionLog(status=SessionLog.START))

  def scalar(self, name: str, value: float, step: int):
    """A point of a curve."""
    from tensorboardX.summary import scalar

    self.event(step, summary=scalar(name, value))

  def image(self, name: str, x_HWC, step: int):
    """A picture."""
    from tensorboardX.summary import image

    self.event(step, summary=image(name, x_HWC, dataformats='HWC'))

  def flush(self):
    """What was written is on disk."""
    with files.named(self.directory):
      self.writer.flush()

  def close(self):
    """Flushes and closes the file."""
    with files.named(self.directory):
      self.writer.close()


class Writer(NamedTuple):
  """The open metrics.jsonl of a run, and its TensorBoard (or None)."""

  file: TextIO
  board: Board | None

  def scalars(self, step: int, values: dict):
    """Appends one line {'step': step, 'train/loss': ..., ...} and flushes."""
    row = {'step': int(step)}
    row |= {name: _plain(value) for name, value in values.items()}
    with files.named(self.file.name):
      self.file.write(json.dumps(row, allow_nan=False) + '\n')
      self.file.flush()
    if self.board:
      for name, value in row.items():
        if name != 'step' and isinstance(value, int | float):
          self.board.scalar(name, value, row['step'])
      self.board.flush()

  def close(self):
    """Flushes and closes both."""
    with files.named(self.file.name):
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


def pictures(run_dir, step: int, paths):
  """Shows PNGs, each under its name, in the run's TensorBoard."""
  # The writer of the run's scalars may be open: a file of its own.
  board = _board(Path(run_dir) / 'tensorboard', step, '.pictures')
  if board is None:
    return
  for path in paths:
    board.image(path.stem, _pixels(path), step)
  board.close()


def rows(run_dir) -> list[dict]:
  """The rows of metrics.jsonl, None where a value was not finite; [] if new.

  What is damaged is left out and told, but for a last line without an end: a
  killed process leaves one.
  """
  path = Path(run_dir) / 'metrics.jsonl'
  if not path.exists():
    return []
  lines = path.read_text(encoding='utf-8', errors='replace').split('\n')[:-1]
  good = [row for row in map(_row, lines) if row is not None]
  if bad := len(lines) - len(good):
    what = f'{counted(bad, "line")} of {len(lines)}'
    say(f'warning: {path}: {what} damaged and left out')
  return good


def _row(line: str) -> dict | None:
  """The row that was written as this line, None if it cannot be one."""
  try:
    row = json.loads(line)
  except ValueError:
    return None
  if not isinstance(row, dict) or type(row.get('step')) is not int:
    return None
  return row if all(map(_is_figure, row.values())) else None


def _is_figure(value) -> bool:
  """Whether a finite number, None in the place of another, or a list."""
  if isinstance(value, list):
    return all(map(_is_figure, value))
  return (
    value is None or isinstance(value, int | float) and math.isfinite(value)
  )


def _drop_rows_after(path, step):
  kept = [r for r in rows(path.parent) if step is None or r['step'] <= step]
  with files.replaced(path) as file:
    file.writelines(json.dumps(row) + '\n' for row in kept)


def _board(directory, resume_step, suffix='') -> Board | None:
  """A Board, None and a note where there is no tensorboardX; TensorBoard hides
  older events after the step."""
  try:
    board = Board(directory, suffix)
  except ModuleNotFoundError:
    _without_board()
    return None
  if resume_step is not None:
    board.start(resume_step + 1)
  return board


@functools.cache  # once
def _without_board():
  say('note: nothing for TensorBoard, tensorboardX is not installed')


def _pixels(path):
  from PIL import Image

  with Image.open(path) as image:
    return np.asarray(image.convert('RGB'))


def _plain(value):
  """What JSON can hold: plain scalars, None for NaN and infinities."""
  value = value.tolist() if hasattr(value, 'tolist') else value
  if isinstance(value, list):
    return [_plain(one) for one in value]
  finite = not isinstance(value, float) or math.isfinite(value)
  return value if finite else None

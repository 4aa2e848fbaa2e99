"""What the user reads: lines, bars, tables, numbers, and the nearest name."""

import contextlib
import difflib
import functools
import io
import math
import os
import sys
import time

DRAWN_EVERY_S = 0.25  # a bar on a terminal
TOLD_EVERY_S = 10.0  # a line in a log file
WIDEST = 1000  # columns of a table that nobody's terminal bounds
RULE = '    \n    \n -- \n' + 5 * '    \n'  # of a table: one under its header


class Lost(OSError):
  """Nobody reads standard output any more."""


class Unfailing:
  """A stream of what shows progress, which never stops what it shows: after an
  error (a full disk, a dead pipe) it is silent."""

  def __init__(self, stream):
    self._stream, self._dead = stream, False

  def __getattr__(self, name):
    """All else is the stream's."""
    return getattr(self._stream, name)

  def write(self, text: str) -> int:
    """Writes what it can: the length of the text."""
    self._attempt(self._stream.write, text)
    return len(text)

  def flush(self):
    """Flushes what it can."""
    self._attempt(self._stream.flush)

  def _attempt(self, action, *args):
    if not self._dead:
      try:
        action(*args)
      except (OSError, ValueError):
        self._dead = True


def guard():
  """Makes this process's streams safe: for a program, not for a library.

  A closed one is opened as nothing, or the next file would get its number, and
  what libraries print there; what a terminal has no letter for is escaped.
  """
  for number in range(3):
    try:
      os.fstat(number)
    except OSError:
      os.open(os.devnull, os.O_RDWR)
  for name in ('stdout', 'stderr'):
    if getattr(sys, name) is None:
      setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))
    getattr(sys, name).reconfigure(errors='backslashreplace')
  sys.stderr = Unfailing(sys.stderr)


_called = {}


def call(path, name: str | None):
  """From now on this path is shown under this name; None: as it is."""
  _called[str(path)] = str(path) if name is None else name


def named(text: str) -> str:
  """The text with the names of the paths that have one."""
  for path, name in _called.items():
    text = text.replace(path, name)
  return text


def show(text: str):
  """A result for stdout. Lost if nobody reads it, else an OSError that names
  where it could not be written."""
  try:
    print(named(str(text)), flush=True)
  except BrokenPipeError as error:
    raise Lost from error
  except OSError as error:
    error.filename = error.filename or 'standard output'
    raise


def leave(code: int):
  """Ends the process with this exit code, whatever threads are left: one that
  waits for a full disk must not keep it."""
  for stream in (sys.stdout, sys.stderr):
    with contextlib.suppress(OSError, ValueError):
      stream.flush()
  os._exit(code)


def say(line: str):
  """A line for the user on stderr, above any bar."""
  _console().print(named(line), soft_wrap=True)
  sys.stderr.flush()


def mute():
  """Shows no lines and bars from here on: another process does."""
  _console().quiet = True


def nearest(name: str, known, prefix: str = '') -> str:
  """' (did you mean ...?)' with the prefix before the known name that is
  nearest, or nothing if none is near."""
  near = difflib.get_close_matches(name, list(known), n=1)
  return f' (did you mean {prefix + near[0]!r}?)' if near else ''


@functools.cache
def _console():
  # Not when this file is imported: --list and an error need no 70 ms of rich.
  from rich.console import Console

  # Follows sys.stderr wherever it goes.
  return Console(stderr=True, markup=False, highlight=False, emoji=False)


class Bar:
  """How far a run is: a bar on a terminal, several below each other if several
  are open; in a log file a line every tenth of the run or every `every_s`.

  `start` is the step that a resumed run begins with. `notes` are values shown
  beside those of every update.
  """

  def __init__(
    self,
    total: int,
    start: int = 0,
    unit: str = 'steps',
    every_s: float | None = None,
    clock=time.monotonic,
  ):
    self.total, self.start, self.unit, self.clock = total, start, unit, clock
    self.live = sys.stderr.isatty() and not _console().is_dumb_terminal
    default = DRAWN_EVERY_S if self.live else TOLD_EVERY_S
    self.every_s = default if every_s is None else every_s
    self.began, self.told_at, self.told_step = clock(), -math.inf, start
    self.notes = {}
    self.task = _bars().add(total, start) if self.live else None

  def update(self, step: int, **values):
    """Shows the step and the values (loss=, steps_per_s=) if it is time to."""
    now = self.clock()
    tenth = step - self.told_step >= self.total / 10
    late = now - self.told_at >= self.every_s
    if not (late or step >= self.total or (tenth and not self.live)):
      return
    self.told_at, self.told_step = now, step
    text = self._text(step, values | self.notes, now)
    if self.live:
      _bars().draw(self.task, step, text)
    else:
      say(text)

  def close(self):
    """Leaves the bar as it is and goes on below it."""
    if self.task is not None:
      _bars().remove(self.task)
      self.task = None

  def _text(self, step: int, values: dict, now: float) -> str:
    elapsed = now - self.began
    ours = (step - self.start) / elapsed if elapsed > 0 else 0.0
    rate = float(values.pop('steps_per_s', ours))
    parts = [f'{step}/{self.total}']
    parts += [f'{name} {number(value)}' for name, value in values.items()]
    parts += [f'{number(rate)} {self.unit}/s']
    parts += [f'ETA {eta(self.total - step, rate)}']
    return '  '.join(parts)


class _Bars:
  """The bars that are open, in one part of the terminal."""

  def __init__(self):
    self.open, self.progress = 0, None

  def add(self, total: int, start: int):
    """A new bar below the others."""
    if not self.open:
      self.progress = _progress()
      self.progress.start()
    self.open += 1
    return self.progress.add_task('', total=total, completed=start, text='')

  def draw(self, task, step: int, text: str):
    """Moves one bar."""
    self.progress.update(task, completed=step, text=text, refresh=True)

  def remove(self, task):
    """One bar fewer: the last one stays on the screen, others vanish."""
    self.open -= 1
    if self.open:
      self.progress.remove_task(task)
      self.progress.refresh()
    else:
      self.progress.stop()


def _progress():
  from rich.progress import BarColumn, Progress, TextColumn

  columns = BarColumn(bar_width=30), TextColumn('{task.fields[text]}')
  # No thread that draws while the cores compute: a run asks for it.
  return Progress(*columns, console=_console(), auto_refresh=False)


@functools.cache
def _bars():
  return _Bars()


def eta(steps: int, rate: float) -> str:
  """Minutes and seconds, mm:ss, with hours before them if there are any."""
  if not (rate > 0 and math.isfinite(rate)):
    return '--:--'
  minutes, seconds = divmod(math.ceil(max(steps, 0) / rate), 60)
  hours, minutes = divmod(minutes, 60)
  return (f'{hours}:' if hours else '') + f'{minutes:02d}:{seconds:02d}'


def number(value) -> str:
  """A number in four significant digits (87.10, 0.003214, 12346, nan)."""
  value = value.item() if hasattr(value, 'item') else value
  if value is None or isinstance(value, str | bool):
    return '-' if value is None else str(value)
  if isinstance(value, int):
    return str(value)
  if 1e3 <= abs(value) < 1e7:
    return f'{value:.0f}'
  small_or_huge = not 1e-4 <= abs(value) < 1e3
  return f'{value:.4g}' if small_or_huge else f'{value:#.4g}'.rstrip('.')


def in_bytes(count: float) -> str:
  """Bytes in words: '12 MB'."""
  unit = next((u for u in (1e9, 1e6) if count >= u), 1e3)
  return f'{count / unit:.3g} { {1e9: "GB", 1e6: "MB", 1e3: "kB"}[unit] }'


def words(name: str) -> str:
  """A name as words."""
  return {'pca': 'PCA'}.get(name, name.replace('_', ' '))


def counted(n: int, what: str) -> str:
  """'1 run', '2 runs'."""
  return f'{n} {what}' + ('' if n == 1 else 's')


def listed(names, last: str = 'or') -> str:
  """'auto, always or never'."""
  *names, end = names
  return f'{", ".join(names)} {last} {end}' if names else end


def table(rows: list[tuple], header: tuple) -> str:
  """Columns under their header, those of numbers aligned to the right, as wide
  as they are or as the terminal is."""
  from rich.box import Box
  from rich.console import Console
  from rich.table import Table

  grid = Table(box=Box(RULE, ascii=True), show_edge=False, pad_edge=False)
  for i, name in enumerate(header):
    text = not rows or any(isinstance(row[i], str) for row in rows)
    side = 'left' if text else 'right'
    grid.add_column(name, justify=side, overflow='fold')
  for row in rows:
    grid.add_row(*map(number, row))
  # A log file must not be cut at the 80 columns that it does not have.
  width = None if sys.stdout.isatty() else WIDEST
  page = Console(file=io.StringIO(), width=width, markup=False, emoji=False)
  page.print(grid)
  lines = page.file.getvalue().splitlines()
  return '\n'.join(line.rstrip() for line in lines)

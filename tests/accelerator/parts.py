"""Which parts there are, and each of them in a process of its own.

A part is a module with `rows(flags)`, which yields (name, function () -> dict):
a process runs them one after another, or THREADS at a time, and writes a line
of JSON for each as soon as it is there.
"""

import ast
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Name -> the most seconds of 8 minutes that a process of it may take. The first
# three look at no clock and run at once.
PARTS = {
  'same': 110,
  'runs': 110,
  'census': 110,
  'members': 60,
  'goal': 30,
  'small_step': 36,
  'batches': 50,
  'against_torch': 60,
}
MINUTES = 8.0
SPARE_S = 5.0  # in which a process that sees its time is up ends by itself
# What a process is told in its environment, as of time.time().
STARTED_AT, UNTIL = 'VAE_JAX_STARTED_AT', 'VAE_JAX_UNTIL'
UNTIMED = 'same', 'runs', 'census'
WHILE = '--xla_gpu_enable_command_buffer=+WHILE'
# Environments of which a part has a process each.
VARIANTS = {
  'small_step': {
    'none': '',
    'command buffers off': '--xla_gpu_enable_command_buffer=',
    '+WHILE': WHILE,
    '+WHILE, unrolled': f'{WHILE} --xla_gpu_command_buffer_unroll_loops=true',
    'graphs of 1': '--xla_gpu_graph_min_graph_size=1',
  },
}


class Missing(Exception):
  """What a row cannot do without and the machine does not have."""


class Flags(NamedTuple):
  """What the command line says of every part."""

  small: bool
  data_dir: str | None
  dataset: str
  minutes: float = MINUTES

  def argv(self) -> list[str]:
    """The flags again."""
    given = ['--small'] * self.small + [f'--dataset={self.dataset}']
    return given + [f'--data_dir={self.data_dir}'] * bool(self.data_dir)


class Process:
  """A part under way in a process of its own."""

  def __init__(self, name: str, xla_flags: str, flags: Flags, where, until):
    self.began = time.monotonic()
    most = PARTS.get(name, 60) * max(1.0, flags.minutes / MINUTES)
    self.limit = min(until, self.began + most)
    left = self.limit - self.began - SPARE_S
    before = os.environ.get('XLA_FLAGS', '')
    env = os.environ | {
      'XLA_FLAGS': f'{before} {xla_flags}'.strip(),
      # Several at once, and PyTorch beside JAX, share the device's memory.
      'XLA_PYTHON_CLIENT_PREALLOCATE': 'false',
      'TMPDIR': str(where),
      STARTED_AT: str(time.time()),
      UNTIL: str(time.time() + left),
    }
    stem = f'{name}_{len(list(where.iterdir()))}'
    self.out, self.log = where / f'{stem}.jsonl', where / f'{stem}.log'
    with self.out.open('w') as out, self.log.open('w') as log:
      argv = [sys.executable, '-m', 'tests.accelerator', f'--child={name}']
      self.process = subprocess.Popen(
        argv + flags.argv(), stdout=out, stderr=log, cwd=ROOT, env=env,
        start_new_session=True,
      )  # fmt: skip

  def rows(self) -> dict:
    """{row: figures} when it has ended, or was ended in time."""
    late = False
    try:
      self.process.wait(max(0.0, self.limit - time.monotonic()))
    except subprocess.TimeoutExpired:
      late = True
    finally:
      if self.process.poll() is None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
    lines = self.out.read_text().splitlines()
    found = dict(row for row in map(read, lines) if row)
    if late:
      seconds = time.monotonic() - self.began
      found['time'] = {'error': f'stopped after {seconds:.0f} s'}
    elif self.process.returncode:
      found['process'] = {'error': last_line(self.log, self.process.returncode)}
    return found


def read(line: str):
  """(name, figures) of a row; None for what something else has printed."""
  try:
    name, figures = json.loads(line)
  except ValueError:
    return None
  return name, figures


def last_line(log, code: int) -> str:
  """What a process that failed said last."""
  lines = [line.strip() for line in log.read_text().splitlines()]
  said = [line for line in lines if line and not line.startswith('*** ')]
  return f'exit code {code}: ' + (said[-1] if said else 'said nothing')


def child(name: str, flags: Flags) -> int:
  """This process is the part: prints its rows."""
  from vae_jax.runs import throughput
  from vae_jax.runs.machine import prepare_jax

  prepare_jax()
  # Many rows, little time: rounds beside each other, medians of five.
  throughput.ROUNDS, throughput.ROUND_S = 5, 0.1
  try:
    part = importlib.import_module(f'tests.accelerator.{name}')
  except ModuleNotFoundError as error:
    print(json.dumps([name, {'missing': f'no module {error.name!r}'}]))
    return 0
  # A broken pipe of ours is nobody's figure; what libraries print is no row.
  out, sys.stdout = sys.stdout, sys.stderr
  with ThreadPoolExecutor(getattr(part, 'THREADS', 1)) as pool:
    rows = [(row, pool.submit(attempted, f)) for row, f in part.rows(flags)]
    for row, figures in rows:
      print(json.dumps([row, figures.result()]), file=out, flush=True)
  return 0


def attempted(f) -> dict:
  """The figures of a row, or the line that says why there are none."""
  start = time.perf_counter()
  try:
    if time.time() > float(os.environ.get(UNTIL, 'inf')):
      raise Missing('left out, the time is up')
    figures = f()
  except Missing as error:
    figures = {'missing': str(error)}
  except Exception as error:
    text = str(error).strip() or 'no message'
    figures = {'error': f'{type(error).__name__}: {text.splitlines()[0]}'}
  return figures | {'took_s': round(time.perf_counter() - start, 2)}


def described() -> str:
  """A line on every part: the first of its docstring."""
  folder, lines = pathlib.Path(__file__).parent, []
  for name in PARTS:
    source = (folder / f'{name}.py').read_text()
    line = ast.get_docstring(ast.parse(source)).splitlines()[0]
    lines.append(f'  {name:<14} {line}')
  return '\n'.join(lines)

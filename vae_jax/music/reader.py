"""Songs of many MIDI files, whatever is in them.

A worker process parses them, as a native parser that crashes or hangs over one
file ends its process: the file is counted, and a new worker goes on. The worker
is a new interpreter, never a fork of one that may hold threads of jax, and
imports no jax. The kernel's alarm ends it where it is late, in native code too.
"""

import collections
import os
import pathlib
import pickle
import signal
import subprocess
import sys

from vae_jax.music.songs import Song

LIMIT_S = 10.0  # of one file
PARSER = 'vae_jax.music.midi:song'
SUFFIXES = '.mid', '.midi'
HERE = pathlib.Path(__file__).resolve().parents[2]
SERVE = 'from vae_jax.music import reader; reader.serve()'


class NoMusic(ValueError):
  """A folder without a song in it, or songs that cannot be read; one line."""


def folder(root: str | os.PathLike) -> tuple[list[Song], dict[str, int]]:
  """Songs of every .mid and .midi below a folder, by their names relative to
  it, and how many files were refused for which reason.

  Hidden files and folders are left out. Raises NoMusic if there is no song.
  """
  root = pathlib.Path(root).expanduser()
  if not root.is_dir():
    wrong = 'is not a folder' if root.exists() else 'does not exist'
    raise NoMusic(f'{root} {wrong}')
  names = _names(root)
  if not names:
    raise NoMusic(f'{root} holds no .mid or .midi file')
  read, refused = _read([(root / name, name) for name in names])
  if not read:
    raise NoMusic(f'{root}: {told(refused, len(names))}')
  return read, refused


def _names(root: pathlib.Path) -> list[str]:
  names = []
  for where, folders, files in os.walk(root):
    folders[:] = [name for name in folders if not name.startswith('.')]
    relative = pathlib.Path(where).relative_to(root)
    names += [
      (relative / name).as_posix()
      for name in files
      if name.lower().endswith(SUFFIXES) and not name.startswith('.')
    ]
  return sorted(names)


def songs(
  paths: list[pathlib.Path], limit_s: float = LIMIT_S, parser: str = PARSER
) -> tuple[list[Song], dict[str, int]]:
  """The songs of those files that are, in order and named by their paths, and
  how many of the others were refused for which reason.

  `parser` is a 'module:function' of (bytes, name) that the worker imports.
  """
  files = [(path, pathlib.Path(path).as_posix()) for path in paths]
  return _read(files, limit_s, parser)


def told(refused: dict[str, int], total: int) -> str:
  """'3 of 340 MIDI files refused: 2 no notes, 1 not MIDI', on one line."""
  reasons = sorted(refused.items(), key=lambda item: (-item[1], item[0]))
  line = f'{sum(refused.values())} of {total} MIDI files refused'
  counts = ', '.join(f'{count} {reason}' for reason, count in reasons)
  return f'{line}: {counts}' if counts else line


def _read(files, limit_s: float = LIMIT_S, parser: str = PARSER):
  read, refused, worker = [], collections.Counter(), None
  try:
    for path, name in files:
      worker = worker or _worker(limit_s, parser)
      answer = _answer(worker, path, name)
      if answer is None:
        answer, worker = _stopped(worker, limit_s), None
      if isinstance(answer, Song):
        read.append(answer)
      else:
        refused[answer] += 1
  finally:
    if worker:
      worker.kill()
      _close(worker)
  return read, dict(refused)


def _worker(limit_s: float, parser: str) -> subprocess.Popen:
  """A process that is ready for files; NoMusic if it cannot be."""
  paths = [str(HERE), os.environ.get('PYTHONPATH')]
  # Threads of numpy's would take longer to start than a file to read.
  changes = {'OPENBLAS_NUM_THREADS': '1', 'OMP_NUM_THREADS': '1'}
  changes['PYTHONPATH'] = os.pathsep.join(filter(None, paths))
  worker = subprocess.Popen(
    # Not the folder the user is in: it may hold a random.py.
    [sys.executable, '-P', '-c', SERVE, str(limit_s), parser],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL,
    env=os.environ | changes,
  )
  ready = _load(worker)
  if ready != 'ready':
    worker.kill()
    _close(worker)
    raise NoMusic(f'the reader of MIDI files does not start: {ready}')
  return worker


def _answer(worker: subprocess.Popen, path, name: str) -> Song | str | None:
  """A song, a reason, or None if the worker did not live to tell."""
  try:
    pickle.dump((str(path), name), worker.stdin)
    worker.stdin.flush()
  except BrokenPipeError:
    return None
  return _load(worker)


def _load(worker: subprocess.Popen):
  try:
    return pickle.load(worker.stdout)
  except (EOFError, pickle.UnpicklingError):
    return None


def _stopped(worker: subprocess.Popen, limit_s: float) -> str:
  """Why a worker has ended."""
  _close(worker)
  late = worker.returncode == -signal.SIGALRM
  return f'took longer than {limit_s:g} s' if late else 'the reader crashed'


def _close(worker: subprocess.Popen):
  try:
    worker.stdin.close()
  except BrokenPipeError:
    pass  # what the worker was to read next
  worker.stdout.close()
  worker.wait()


def serve():
  """The worker: an answer on stdout for each file named on stdin."""
  answers = os.fdopen(os.dup(1), 'wb')
  os.dup2(2, 1)  # whatever a library prints is no answer
  limit_s, parser = float(sys.argv[1]), sys.argv[2]
  # Both are inherited, from whoever ignores or holds up alarms.
  signal.signal(signal.SIGALRM, signal.SIG_DFL)
  signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
  parse = _tell(answers, lambda: _parser(parser))
  while parse:
    try:
      path, name = pickle.load(sys.stdin.buffer)
    except EOFError:
      return
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    answer = _parsed(parse, path, name)
    signal.setitimer(signal.ITIMER_REAL, 0)
    pickle.dump(answer, answers)
    answers.flush()


def _tell(answers, make):
  """What is made, having told that it was, or None and why it was not."""
  try:
    value, line = make(), 'ready'
  except Exception as error:
    value, line = None, f'{type(error).__name__}: {error}'.splitlines()[0]
  pickle.dump(line, answers)
  answers.flush()
  return value


def _parser(name: str):
  import importlib

  # As the first file would have to wait for them.
  import numpy  # noqa: F401
  import symusic  # noqa: F401

  module, function = name.split(':')
  return getattr(importlib.import_module(module), function)


def _parsed(parse, path: str, name: str) -> Song | str:
  from vae_jax.music.midi import MOST_BYTES, BadMidi

  try:
    with open(path, 'rb') as file:
      content = file.read(MOST_BYTES + 1)
  except OSError:
    return 'cannot be read'
  try:
    return parse(content, name)
  except BadMidi as reason:
    return str(reason)

"""Every file that a run or a grid has but its settings, its log and its
checkpoints: results.json, studies.npz, pictures, sweep.json and sweep.csv."""

import contextlib
import csv
import datetime
import itertools
import json
import math
import os
import pathlib
import re

import numpy as np

from vae_jax import figures, files, hosts
from vae_jax.console import say
from vae_jax.music import Song, in_a_row, midi, synth

HEARD_BARS = 32  # of songs as sound: about a minute


class RunError(Exception):
  """Why a run cannot start or go on, in one line."""


class Refused(RunError):
  """A run that cannot start as it was asked for."""


class Interrupted(RunError):
  """A signal stopped the runs; what they had learned is on disk. `together` if
  all hosts have stopped at the same step."""

  def __init__(self, line: str, number: int, together: bool = False):
    super().__init__(line)
    self.signal, self.together = number, together


def results_of(run_dir) -> dict:
  """results.json of a run that has ended, {} of one that has not; a damaged
  one is told, and counts as none."""
  path = pathlib.Path(run_dir) / 'results.json'
  if not path.exists():
    return {}
  try:
    results = json.loads(path.read_text('utf-8'))
    if not isinstance(results, dict):
      raise ValueError(f'it holds {results!r:.60}')
    return results
  except ValueError as error:
    say(f'warning: {path} is damaged ({error}): nothing in it is used')
    return {}


def write_studies(run_dir, studies: dict[str, dict]) -> dict[str, dict]:
  """Saves the arrays that studies found in studies.npz; the rest of what they
  found, which is for results.json."""
  arrays = {
    f'{study}/{name}': value
    for study, found in studies.items()
    for name, value in found.items()
    if isinstance(value, np.ndarray)
  }
  path = pathlib.Path(run_dir) / 'studies.npz'
  if arrays:
    with files.replaced(path, 'wb') as file:
      np.savez_compressed(file, **arrays)
  else:
    path.unlink(missing_ok=True)
  figures = {
    study: {k: v for k, v in found.items() if not isinstance(v, np.ndarray)}
    for study, found in studies.items()
  }
  return json.loads(json.dumps(finite(figures)))  # as it is read again


def studies_of(run_dir, results: dict) -> dict[str, dict]:
  """What the studies of a run found: the figures in its results.json, the
  arrays in studies.npz; if that is damaged it is told, and counts as none."""
  studies = {k: dict(v) for k, v in results.get('studies', {}).items()}
  path = pathlib.Path(run_dir) / 'studies.npz'
  if not path.exists():
    return studies
  try:
    with path.open('rb') as file, np.load(file) as content:
      arrays = {key: content[key] for key in content}
  except Exception as error:  # a damaged zip raises almost anything
    say(f'warning: {path} is damaged ({error}): no study is used')
    return {}
  for key, array in arrays.items():
    study, _, name = key.partition('/')
    if study in studies:  # or it is of results that are no more
      studies[study][name] = array
  return studies


def sweep_seconds(run_dir) -> float | None:
  """What the command took that wrote sweep.json, None if none did."""
  path = pathlib.Path(run_dir) / 'sweep.json'
  try:
    return json.loads(path.read_text('utf-8'))['wall_s']
  except (OSError, ValueError, KeyError, TypeError):
    return None


def write_sweep(run_dir, rows: list[dict], whole: dict):
  """sweep.json with all that is known, sweep.csv with a row for each run."""
  run_dir = pathlib.Path(run_dir)
  write_json(run_dir / 'sweep.json', whole)
  columns = list(dict.fromkeys(key for row in rows for key in row))
  with files.replaced(run_dir / 'sweep.csv', newline='') as file:
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(rows)


def write_pictures(pictures: dict, run_dir) -> list[pathlib.Path]:
  """Saves figures by name in run_dir/pictures, None left out; their paths."""
  return save_pictures(pictures, pathlib.Path(run_dir) / 'pictures')


def save_pictures(pictures: dict, folder: pathlib.Path) -> list[pathlib.Path]:
  """Saves figures by name in the folder, None left out; their paths. Songs of a
  figure lie beside it: TITLE/NAME.mid, and all of them in TITLE.wav."""
  paths = []
  for title, figure in pictures.items():
    if isinstance(figure, figures.Played):
      write_songs(figure.songs, folder / title)
      figure = figure.figure
    if figure is not None:
      paths.append(figures.save(figure, folder / f'{title}.png'))
  return paths


def write_songs(songs, folder: pathlib.Path):
  """Songs as FOLDER/NAME.mid, and as many as a minute holds, one after another,
  as sound in FOLDER.wav."""
  for song in songs:
    midi.write(song, song_path(song, folder))
  heard, bars = [], 0
  for song in songs:
    bars += song.bars + 1
    if not heard or bars <= HEARD_BARS:
      heard.append(song)
  synth.write(in_a_row(heard), folder.with_name(f'{folder.name}.wav'))


def song_path(song: Song, folder: pathlib.Path) -> pathlib.Path:
  """Where a song lies in the folder."""
  return folder / f'{song.name.replace(" ", "_")}.mid'


def write_codes(codes_NZ, names, folder) -> list[pathlib.Path]:
  """Saves codes [N, Z] by name as codes.npz and codes.csv: their paths."""
  paths = [pathlib.Path(folder, f'codes.{kind}') for kind in ('npz', 'csv')]
  with files.replaced(paths[0], 'wb') as file:
    np.savez(file, codes=codes_NZ, names=np.array(names))
  with files.replaced(paths[1], newline='') as file:
    writer = csv.writer(file)
    writer.writerow(['name', *(f'z_{i}' for i in range(codes_NZ.shape[1]))])
    for name, code_Z in zip(names, codes_NZ, strict=True):
      writer.writerow([name, *(f'{value:.9g}' for value in code_Z)])
  return paths


def write_json(path: pathlib.Path, value):
  """Writes strict JSON atomically, null for what is not finite; makes the
  directory if it is not there."""
  text = json.dumps(finite(value), indent=2, allow_nan=False)
  with files.replaced(path) as file:
    file.write(text + '\n')


def finite(value):
  """value with None for every float in it that is not finite."""
  if isinstance(value, dict):
    return {k: finite(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [finite(v) for v in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


@contextlib.contextmanager
def working(workdir: str | None, name: str, prefix: str = ''):
  """The directory for a command of the experiment of this name to write in:
  --workdir, or a new one below ./runs/, which is gone if it stays empty."""
  if not hosts.first():  # it writes nothing
    yield pathlib.Path(hosts.told())
    return
  if workdir:
    check_writable(pathlib.Path(workdir), 'workdir')
    yield pathlib.Path(hosts.told(workdir))
    return
  now = datetime.datetime.now().strftime(f'{prefix}%Y%m%d-%H%M%S')
  made = new_directory(pathlib.Path('runs', name, now))
  hosts.told(str(made))
  try:
    yield made
  finally:
    with contextlib.suppress(OSError):  # it holds something
      for folder in (made, *list(made.parents)[:2]):
        folder.rmdir()


def new_directory(path: pathlib.Path) -> pathlib.Path:
  """The path, or with -2, -3, ... after it if that is another's, made here:
  jobs of one array start within a second."""
  check_writable(path, 'workdir')
  for i in itertools.count(1):
    own = path if i == 1 else path.with_name(f'{path.name}-{i}')
    try:
      own.mkdir(parents=True)
    except FileExistsError:
      continue
    return own


def check_writable(path: pathlib.Path, flag: str):
  """Refused, naming the flag, if nothing can be written there."""
  try:
    str(path).encode()
  except UnicodeEncodeError as error:
    raise Refused(f'--{flag}={str(path)!a} is no UTF-8') from error
  if re.match('[a-z0-9]{2,}:/', str(path)):
    raise Refused(f'--{flag}={path}: a bucket is for --workdir=gs://BUCKET/RUN')
  above = (path, *path.absolute().parents)
  if link := next(
    (p for p in above if p.is_symlink() and not p.exists()), None
  ):
    raise Refused(f'--{flag}={path}: {link} is a link that leads nowhere')
  there = next(p for p in above if p.exists())
  if not there.is_dir():
    raise Refused(f'--{flag}={path}: {there} is not a directory')
  if not os.access(there, os.W_OK | os.X_OK):
    raise Refused(f'--{flag}={path}: {there} cannot be written to')

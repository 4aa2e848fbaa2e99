"""Every file that a run or a grid has but its log and its checkpoints:
config.json, results.json, studies.npz, pictures, sweep.json and sweep.csv."""

import csv
import importlib.metadata
import itertools
import json
import math
import os
import pathlib
import sys

import numpy as np

from vae_jax import figures, files
from vae_jax.config.experiment import Experiment
from vae_jax.config.grid import Member
from vae_jax.config.override import override
from vae_jax.config.text import differences, rendered
from vae_jax.console import counted, say
from vae_jax.data import Batch
from vae_jax.music import Song, in_a_row, midi, synth
from vae_jax.training import checkpoint

HEARD_BARS = 32  # of songs as sound: about a minute
PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


class RunError(Exception):
  """Why a run cannot start or go on, in one line."""


class Refused(RunError):
  """A run that cannot start as it was asked for."""


class Interrupted(RunError):
  """A signal stopped the runs; what they had learned is on disk."""

  def __init__(self, line: str, number: int):
    super().__init__(line)
    self.signal = number


def saved(run_dir) -> str:
  """What is on disk of a run or a grid that was stopped, and how to go on."""
  config = pathlib.Path(run_dir) / 'config.json'
  runs = len(list(pathlib.Path(run_dir).glob('*/checkpoints')))
  steps = checkpoint.on_disk(pathlib.Path(run_dir) / 'checkpoints')
  if runs and config.is_file():
    what = f'what {counted(runs, "run")} had learned is saved'
  elif steps:
    what = f'step {steps[-1]} is saved'
  else:
    return 'stopped before anything was saved'
  return f'{what}, go on with --workdir={run_dir}'


def config_of(run_dir) -> dict | None:
  """config.json of a run or a grid, None if there is none; or Refused.

  A grid's has the names of its `runs` instead of fields.
  """
  path = pathlib.Path(run_dir) / 'config.json'
  if not path.exists():
    return None
  try:
    config = json.loads(path.read_text('utf-8'))
    own = {} if 'runs' in config else {'fields': dict, 'example': dict}
    kinds = {'experiment': str, 'overrides': list, **own}
    for name, kind in kinds.items():
      if not isinstance(config[name], kind):
        raise ValueError(f'{name} is {config[name]!r:.60}')
    return config
  except (ValueError, KeyError, TypeError) as error:
    raise Refused(f'{path} is not a config of ours: {error}') from error


def refuse_other_run(config: dict | None, ex: Experiment, run_dir):
  """Refused naming the fields if run_dir holds another experiment's run."""
  if config is None:
    return
  if 'runs' in config:
    raise Refused(choose_a_run(run_dir, config))
  old, new = config['fields'], rendered(ex)
  if ex.latents is None:  # what the network made of the images is in the old
    new['latents'] = old.get('latents', new['latents'])
  if fields := differences(old, new):
    raise Refused(
      f'{run_dir} holds a run of another configuration: {"; ".join(fields)}'
    )


def as_trained(ex: Experiment, run_dir) -> Experiment:
  """ex with the number of latents that its run had, if the network made it."""
  fields = (config_of(run_dir) or {}).get('fields', {})
  if ex.latents is not None or 'latents' not in fields:
    return ex
  return override(ex, f'latents={fields["latents"]}')


def refuse_other_grid(run_dir, name: str):
  """Refused if run_dir holds something else than a grid of this experiment."""
  config = config_of(run_dir)
  if config is None:
    return
  if 'runs' not in config:
    raise Refused(f'{run_dir} holds a single run: give the grid another')
  if config['experiment'] != name:
    raise Refused(f'{run_dir} holds a grid of {config["experiment"]!r}')


def choose_a_run(run_dir, config: dict) -> str:
  """What to say where a single run was expected."""
  names = config['runs']
  more = f' and {len(names) - 5} more' if len(names) > 5 else ''
  return f'{run_dir} holds a grid, choose a run: {", ".join(names[:5])}{more}'


def write_config(
  run_dir, name: str, member: Member, batch: Batch, devices, data_dir=None
):
  """config.json: the run's name, fields, package versions and devices, and
  what a user of the model must know of its examples."""
  versions = {p: importlib.metadata.version(p) for p in PACKAGES}
  config = _command(name, member.changes, data_dir) | {
    'fields': rendered(member.ex),
    'versions': {'python': sys.version.split()[0], **versions},
    'devices': described(devices),
    'example': {
      'shape': batch.shape,
      'scale': batch.scale,
      'classes': batch.classes,
      'labelled': batch.label is not None,
      'numbers': batch.numbers,
    },
  }
  write_json(pathlib.Path(run_dir) / 'config.json', config)


def write_grid_config(run_dir, name: str, members, overrides, data_dir=None):
  """config.json of a grid: what gives it again."""
  runs = [member.name for member in members]
  config = _command(name, overrides, data_dir) | {'runs': runs}
  write_json(pathlib.Path(run_dir) / 'config.json', config)


def _command(name, overrides, data_dir) -> dict:
  return {
    'experiment': name,
    'overrides': list(overrides),
    'data_dir': data_dir and str(pathlib.Path(data_dir).absolute()),
  }


def described(devices) -> str:
  """'4 x cpu'."""
  return f'{len(devices)} x {devices[0].device_kind}'


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


def new_directory(path: pathlib.Path) -> pathlib.Path:
  """The path, or with -2, -3, ... after it if that is another's, made here:
  jobs of one array start within a second. It vanishes if it stays empty."""
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
    raise Refused(f'--{flag}={path!a} is no UTF-8') from error
  there = next(p for p in (path, *path.absolute().parents) if p.exists())
  if not there.is_dir():
    raise Refused(f'--{flag}={path}: {there} is not a directory')
  if not os.access(there, os.W_OK | os.X_OK):
    raise Refused(f'--{flag}={path}: {there} cannot be written to')

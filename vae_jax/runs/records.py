"""config.json: what a run directory, or a grid's, says that it holds."""

import importlib.metadata
import json
import pathlib
import sys

from vae_jax import config
from vae_jax.config import text
from vae_jax.runs import directory
from vae_jax.runs.loop import Ready, Refused

PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


def read(run_dir) -> dict | None:
  """config.json of a run or a grid, None if there is none; or Refused.

  A grid's has the names of its `runs` instead of fields.
  """
  path = pathlib.Path(run_dir) / 'config.json'
  if not path.exists():
    return None
  try:
    found = json.loads(path.read_text())
    own = () if 'runs' in found else ('fields', 'devices', 'example')
    for name in ('experiment', 'overrides', *own):
      found[name]
    return found
  except (ValueError, KeyError, TypeError) as error:
    raise Refused(f'{path} is not a config of ours: {error}') from error


def refuse_other(found, ex, run_dir):
  """Refused naming the fields if run_dir holds another experiment's run."""
  if found is None:
    return
  if 'runs' in found:
    raise Refused(grid_of(run_dir, found))
  fields = text.differences(found['fields'], config.rendered(ex))
  if fields:
    raise Refused(
      f'{run_dir} holds a run of another configuration: {"; ".join(fields)}'
    )


def grid_of(run_dir, found) -> str:
  """What to say where a single run was expected."""
  names = found['runs']
  more = f' and {len(names) - 5} more' if len(names) > 5 else ''
  return f'{run_dir} holds a grid, choose a run: {", ".join(names[:5])}{more}'


def write(run_dir, name, ex, overrides, ready: Ready, data_dir=None):
  """config.json: the run's name, fields, package versions and devices, and
  what a user of the model must know of its examples."""
  versions = {p: importlib.metadata.version(p) for p in PACKAGES}
  batch = ready.splits['test']
  directory.write_json(
    pathlib.Path(run_dir) / 'config.json',
    {
      'experiment': name,
      'overrides': list(overrides),
      'data_dir': data_dir and str(pathlib.Path(data_dir).absolute()),
      'fields': config.rendered(ex),
      'versions': {'python': sys.version.split()[0], **versions},
      'devices': described(ready.devices),
      'example': {
        'shape': batch.shape,
        'scale': batch.scale,
        'classes': batch.classes,
        'labelled': batch.label is not None,
      },
    },
  )


def described(devices) -> str:
  """'4 x cpu'."""
  return f'{len(devices)} x {devices[0].device_kind}'


def write_grid(run_dir, name, members, overrides, data_dir):
  """config.json of a grid: what gives it again."""
  pathlib.Path(run_dir).mkdir(parents=True, exist_ok=True)
  directory.write_json(
    pathlib.Path(run_dir) / 'config.json',
    {
      'experiment': name,
      'overrides': list(overrides),
      'data_dir': data_dir and str(pathlib.Path(data_dir).absolute()),
      'runs': [member.name for member in members],
    },
  )


def refuse_other_grid(run_dir, name):
  """Refused if run_dir holds something else than a grid of this experiment."""
  found = read(run_dir)
  if found is None:
    return
  if 'runs' not in found:
    raise Refused(f'{run_dir} holds a single run: give the grid another')
  if found['experiment'] != name:
    raise Refused(f'{run_dir} holds a grid of {found["experiment"]!r}')

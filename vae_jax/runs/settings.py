"""config.json: what a run or a grid is, and what it was made with."""

import importlib.metadata
import json
import math
import os
import pathlib
import sys

import jax

from vae_jax.config.experiment import Experiment
from vae_jax.config.grid import Member
from vae_jax.config.override import override
from vae_jax.config.text import differences, rendered
from vae_jax.console import counted, say
from vae_jax.data import Batch
from vae_jax.runs.directory import Refused, write_json
from vae_jax.training import checkpoint
from vae_jax.training.devices import everywhere

PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')


MOST_BYTES = 2**24  # of a config.json
MOST_PIXELS = 2**27  # of an example


def config_of(run_dir) -> dict | None:
  """config.json of a run or a grid, None if there is none; or Refused.

  A grid's has the names of its `runs` instead of fields. It may come from
  anywhere: every value is of the kind that ours are of.
  """
  path = pathlib.Path(run_dir) / 'config.json'
  if not os.path.lexists(path):
    return None
  if not path.is_file():  # one that is a pipe would be waited for
    raise Refused(f'{path} is no file')
  try:
    if path.stat().st_size > MOST_BYTES:
      raise ValueError(f'it has more than {MOST_BYTES} bytes')
    config = json.loads(path.read_text('utf-8'))
    check_kinds(config)
    return config
  except (ValueError, RecursionError, MemoryError) as error:
    raise Refused(
      f'{path} is not a config of ours ({error}): {helps(path.parent)}'
    ) from error


def helps(run_dir: pathlib.Path) -> str:
  """What to do where config.json is damaged: the runs of a grid have each their
  own, and a run is nothing without."""
  if any(run_dir.glob('*/config.json')):
    return 'without it the command of the grid goes on'
  return 'the same command in another --workdir trains it again'


def check_kinds(config):
  """ValueError unless every value of config.json is of our kind."""
  of_run = {'fields': dict, 'example': dict}
  each = {'experiment': str, 'overrides': list}
  grid = isinstance(config, dict) and 'runs' in config
  for name, kind in (each | ({'runs': list} if grid else of_run)).items():
    check_kind(config, name, kind)
  data_dir = config.get('data_dir')
  words = [data_dir or '', *config['overrides'], *config.get('runs', [])]
  words += config.get('fields', {}).values()
  if bad := [word for word in words if not isinstance(word, str)]:
    raise ValueError(f'{bad[0]!r:.60} is no text')
  if 'example' in config:
    check_example(config['example'])


def check_kind(config, name: str, *kinds):
  """ValueError unless config[name] is there and of one of these types."""
  if not isinstance(config, dict) or name not in config:
    raise ValueError(f'{name!r} is missing')
  if type(config[name]) not in kinds:
    raise ValueError(f'{name} is {config[name]!r:.60}')


def check_example(facts: dict):
  """ValueError unless these can be a dataset's facts."""
  # Those that older runs lack have defaults.
  facts = {'numbers': False} | facts
  check_kind(facts, 'shape', list)
  check_kind(facts, 'scale', int, float)
  check_kind(facts, 'classes', list)
  for name in ('labelled', 'numbers'):
    check_kind(facts, name, bool)
  shape, scale = facts['shape'], facts['scale']
  sizes = all(type(n) is int and 0 < n <= MOST_PIXELS for n in shape)
  if len(shape) != 3 or not sizes or math.prod(shape) > MOST_PIXELS:
    raise ValueError(f'shape is {shape!r:.60}')
  if not 0 < scale <= MOST_PIXELS:
    raise ValueError(f'scale is {scale!r}')
  if not all(isinstance(name, str) for name in facts['classes']):
    raise ValueError(f'classes are {facts["classes"]!r:.60}')


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


def write_config(
  run_dir, name: str, member: Member, batch: Batch, devices, data_dir=None
):
  """config.json: the run's name, fields, package versions and devices, and
  what a user of the model must know of its examples."""
  config = _command(name, member.changes, data_dir) | {
    'fields': rendered(member.ex),
    'versions': versions(),
    'devices': described(devices),
    'jax': of_jax(),
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
  """config.json of a grid: what gives it again. Told which runs of the grid
  before are no longer part of it."""
  runs = [member.name for member in members]
  before = (config_of(run_dir) or {}).get('runs', [])
  if gone := [run for run in before if run not in runs]:
    more = f' and {len(gone) - 5} more' if gone[5:] else ''
    say(
      f'note: no longer in the tables of {run_dir}: {", ".join(gone[:5])}{more}'
    )
  config = _command(name, overrides, data_dir) | {'runs': runs}
  write_json(pathlib.Path(run_dir) / 'config.json', config)


def _command(name, overrides, data_dir) -> dict:
  return {
    'experiment': name,
    'overrides': list(overrides),
    'data_dir': data_dir and str(pathlib.Path(data_dir).absolute()),
  }


def described(devices) -> str:
  """'4 x cpu', of all hosts with as many as these."""
  return f'{len(everywhere(devices))} x {devices[0].device_kind}'


def of_jax() -> dict:
  """What of jax's own settings changes a run."""
  return {
    'x64': jax.config.jax_enable_x64,
    'prng': jax.config.jax_default_prng_impl,
    'threefry_partitionable': jax.config.jax_threefry_partitionable,
  }


def tell_of_changes(run_dir, devices):
  """A note on what a run was made with before and is not any more; Refused if
  its config.json is gone, and with it what its checkpoints are of."""
  config, path = config_of(run_dir), pathlib.Path(run_dir) / 'config.json'
  if config is None:
    raise Refused(
      f'{path} is missing, which says what the checkpoints beside it were '
      'trained with: put it back, or choose another --workdir'
    )
  now = {'devices': described(devices), **of_jax(), **versions()}
  before = {'devices': config.get('devices')}
  for name in ('jax', 'versions'):
    values = config.get(name)
    before |= values if isinstance(values, dict) else {}
  changes = [
    f'{name} was {before[name]}, now {value}'
    for name, value in now.items()
    if before.get(name, value) != value
  ]
  if changes:
    say(f'note: not made as before: {"; ".join(changes)}')


def versions() -> dict[str, str]:
  """Of Python and of the packages that make a run what it is."""
  of_packages = {p: importlib.metadata.version(p) for p in PACKAGES}
  return {'python': sys.version.split()[0], **of_packages}

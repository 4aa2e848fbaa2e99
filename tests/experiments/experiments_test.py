"""Every experiment runs, end to end, for two steps on a few digits."""

import dataclasses
import functools
import importlib
import inspect
import json
import math
import pathlib
import pkgutil

import pytest

import experiments
from vae_jax import config, data
from vae_jax.config import grid
from vae_jax.config.override import override
from vae_jax.config.text import restored
from vae_jax.data import catalogue
from vae_jax.measures import rivals
from vae_jax.music import composer
from vae_jax.runs import command, directory, plan

NAMES = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
WHOLE = {name: functools.cache(f) for name, f in data.EMBEDDED.items()}
# For two latents or grey images alone, or where nothing is given.
CAN_BE_MISSING = {'manifold', 'steered'}
# Of experiments with many arms, as many as their reports need.
ARMS = {
  'super_resolution': '2x_lesson, 4x_residual, 4x_photos',
  'transfer': 'upright, inverted, flower, portrait',
  'bottleneck': 'clean d=2, clean d=8, denoising d=2, denoising d=8',
  'embedding': 'd=2, d=32',
  'losses': 'bce, ssim, mse, mse d=8',
}
SHORT = [
  'steps=2',
  'batch_size=8',
  'steps_per_call=2',
  'report_every=None',
  'nll_samples=2',
]


@pytest.fixture
def few_images(monkeypatch):
  """64 images to train on, 32 to test on; baselines see each only once."""
  sizes = {'train': 64, 'test': 32}

  def few(split, batch):
    batch = batch.take(data.spread(batch.size, sizes[split]))
    return corner(batch) if batch.shape[2] > 1 else batch

  monkeypatch.setitem(catalogue.MUSIC, 'songs', few_songs)
  catalogue.music.cache_clear()
  for name, whole in WHOLE.items():
    splits = {split: few(split, batch) for split, batch in whole().items()}
    monkeypatch.setitem(data.EMBEDDED, name, lambda splits=splits: splits)
  monkeypatch.setattr(rivals, 'BASELINE_EXAMPLES', 64)


def few_songs(path, data_dir):
  """Embedded songs: few, and two of them to test on."""
  return composer.songs(train=6, test=2)


@pytest.fixture(autouse=True)
def songs_are_whole_again():
  """What was cut out of few songs is forgotten."""
  yield
  catalogue.music.cache_clear()


def corner(batch, side=8):
  """Colour images cut: linear rivals of 3,072 pixels take their time."""
  height, width, channels = batch.shape
  x = batch.x.reshape(-1, height, width, channels)[:, :side, :side]
  shape = (side, side, channels)
  return batch.replace(x=x.reshape(len(x), -1), shape=shape)


def small(ex):
  """The experiment with a network that compiles in no time."""
  network, keywords = config.parts(ex.network)
  parameters = inspect.signature(network).parameters
  sizes = {'widths': 4, 'dense': 8, 'features': 8, 'encoder': 4, 'conductor': 4}
  for name, size in sizes.items():
    value = keywords.get(name)
    if name in parameters and name != 'conductor':
      value = keywords.get(name, parameters[name].default)
    if value is not None:
      smaller = (size,) * len(value) if isinstance(value, tuple) else size
      keywords[name] = smaller
  network = functools.partial(network, **keywords)
  return dataclasses.replace(ex, network=network)


def loaded(name):
  return importlib.import_module(f'experiments.{name}')


def names(functions):
  return {config.parts(f)[0].__name__ for f in functions}


def test_there_are_experiments():
  assert {'autoencoder', 'denoise', 'vae'} <= set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_an_experiment_says_what_it_is_and_how_to_run_it(name):
  first, *rest = loaded(name).__doc__.splitlines()
  assert first.endswith('.') and len(first) < 80
  assert f'python launch.py --experiment={name}' in '\n'.join(rest)


@pytest.mark.parametrize('name', NAMES)
def test_an_experiment_is_a_value_that_its_own_text_gives_back(name):
  ex = loaded(name).experiment
  assert isinstance(ex, config.Experiment)
  for field in config.plain_fields():
    text = f'{field.name}={getattr(ex, field.name)}'
    assert override(ex, text) == ex
  for field in config.function_fields():
    value = getattr(ex, field.name)
    for f in value if isinstance(value, tuple) else [value]:
      function, keywords = config.parts(f)
      assert f is None or '<' not in function.__qualname__  # it has a name
      assert set(keywords).isdisjoint(field.metadata['takes'])


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_an_experiment_runs_to_its_verdicts(name, few_images, tmp_path):
  arms = [f'arms={ARMS[name]}'] if name in ARMS else []
  members = grid.members(loaded(name).experiment, SHORT + arms)
  members = [m._replace(ex=small(m.ex)) for m in members]
  outcome = fitted(name, members, tmp_path)
  found = read(tmp_path)
  assert_finite(found)
  assert all('failed' not in one for one in found.get('runs', []))
  for run_dir in [tmp_path / member.name for member in members]:
    assert_complete(run_dir)
  if members[0].ex.report:
    assert found['verdicts']
  for line in found['verdicts']:
    assert line in outcome.summary()


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
def test_every_arm_could_run(name, few_images):
  for member in grid.members(loaded(name).experiment, SHORT):
    [planned] = plan.jobs([member._replace(ex=small(member.ex))])
    assert planned.ex.latents  # shapes alone


def fitted(name, members, run_dir):
  """The outcome of one run, or of a grid of them."""
  if len(members) == 1:
    members = [grid.alone(members[0].ex)]
  return command.fit(name, members, run_dir)


def read(run_dir):
  path = run_dir / 'sweep.json'
  return json.loads(
    (path if path.exists() else run_dir / 'results.json').read_text()
  )


def assert_complete(run_dir):
  """What one run promised is there."""
  found = directory.results_of(run_dir)
  fields = json.loads((run_dir / 'config.json').read_text())['fields']
  ex = restored(fields)
  assert found['step'] == 2
  assert ex.monitor in found
  assert set(found.get('baselines', {})) == names(ex.baselines)
  drawn = {path.stem for path in (run_dir / 'pictures').glob('*.png')}
  assert names(ex.pictures) - CAN_BE_MISSING <= drawn


def assert_finite(value, path=''):
  """Every number in results.json, however deep."""
  if isinstance(value, dict):
    for key, item in value.items():
      assert_finite(item, f'{path}/{key}')
  elif isinstance(value, list):
    for i, item in enumerate(value):
      assert_finite(item, f'{path}[{i}]')
  elif isinstance(value, int | float):
    assert math.isfinite(value), path


@pytest.mark.slow
def test_only_experiments_lie_among_the_experiments():
  folder = pathlib.Path(experiments.__file__).parent
  files = {path.stem for path in folder.iterdir() if path.suffix}
  assert files == {*NAMES, '__init__', 'README'}

"""Every experiment runs, end to end, for two steps on a few digits."""

import functools
import importlib
import math
import pathlib
import pkgutil

import jax
import pytest

import experiments
from vae_jax import config, data, results, run
from vae_jax.override import override

NAMES = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
ALL_DIGITS = functools.cache(data.digits)
SHORT = ['steps=2', 'batch_size=8', 'steps_per_call=2', 'report_every=None']
# Smaller networks compile sooner; an experiment that is not here runs as it is.
SMALL = {
  'autoencoder': ['network.widths=(2, 2)', 'latents=16'],
  'denoise': [
    'network.widths=(2, 2)',
    'network.dense=8',
    f'latents={14 * 14 * 2 + 7 * 7 * 2 + 8}',
  ],
  'vae': ['network.widths=(8,)'],
}


@pytest.fixture
def few_digits(monkeypatch):
  """64 digits to train on, 32 to test on; baselines see each only once."""
  sizes = {'train': 64, 'test': 32}

  def load():
    return {
      split: jax.tree.map(lambda x, n=sizes[split]: x[:n], batch)
      for split, batch in ALL_DIGITS().items()
    }

  monkeypatch.setitem(data.EMBEDDED, 'digits', load)
  monkeypatch.setattr(results, 'BASELINE_EXAMPLES', 64)


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


@pytest.mark.parametrize('name', NAMES)
def test_an_experiment_runs_to_its_verdicts(name, few_digits, tmp_path):
  ex = loaded(name).experiment
  for change in SHORT + SMALL.get(name, []):
    ex = override(ex, change)
  outcome = run.fit(name, ex, tmp_path / 'run')
  found = results.read(tmp_path / 'run')
  assert found == outcome.trained.results
  assert found['step'] == 2
  assert_finite(found)
  assert ex.monitor in found
  assert set(found.get('baselines', {})) == names(ex.baselines)
  if ex.report:
    assert found['verdicts']
  drawn = {path.stem for path in (tmp_path / 'run' / 'pictures').iterdir()}
  assert drawn == names(ex.pictures)
  for line in found['verdicts']:
    assert line in outcome.summary()


def assert_finite(value, path=''):
  """Every number in results.json, however deep."""
  if isinstance(value, dict):
    for key, item in value.items():
      assert_finite(item, f'{path}/{key}')
  elif isinstance(value, int | float):
    assert math.isfinite(value), path


def test_only_experiments_lie_among_the_experiments():
  folder = pathlib.Path(experiments.__file__).parent
  files = {path.stem for path in folder.iterdir() if path.suffix}
  assert files == {*NAMES, '__init__'}

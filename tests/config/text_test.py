import dataclasses
import functools
import importlib
import pkgutil

import pytest

import experiments
from vae_jax import config, networks
from vae_jax.config.text import restored
from vae_jax.factors import likelihoods

NAMES = [module.name for module in pkgutil.iter_modules(experiments.__path__)]


@pytest.mark.parametrize('name', NAMES)
def test_an_experiment_comes_back_from_its_text(name):
  ex = importlib.import_module(f'experiments.{name}').experiment
  text = config.rendered(ex)
  found = restored(text)
  assert config.rendered(found) == text
  assert found.latents == ex.latents
  assert config.parts(found.network) == config.parts(ex.network)


def test_partials_and_tuples_come_back_as_they_were(tiny):
  ex = dataclasses.replace(
    tiny,
    network=functools.partial(networks.conv, widths=(4, 8), kernel=5),
    likelihood=functools.partial(likelihoods.normal, sigma=None),
    learning_rate=3e-5,
    steps=None,
  )
  found = restored(config.rendered(ex))
  assert found.network.func is networks.conv
  assert found.network.keywords == {'widths': (4, 8), 'kernel': 5}
  assert found.likelihood.keywords == {'sigma': None}
  assert found.learning_rate == 3e-5
  assert found.steps is None
  assert found.measures == ex.measures


@pytest.mark.parametrize(
  'name, text, words',
  [
    ('network', 'networks.transformer', 'network=networks.transformer cannot'),
    ('objective', 'nowhere.elbo', 'nowhere'),
    ('latents', '2 +', 'latents=2 \\+ cannot'),
    ('colour', '3', "no field 'colour'"),
    ('view', '__import__("os").system("true")', 'cannot be had'),
  ],
)
def test_a_text_that_means_nothing_is_one_clear_line(name, text, words):
  with pytest.raises(config.ConfigError, match=words):
    restored({name: text})

import functools
import importlib

import pytest

import experiments
from vae_jax import networks
from vae_jax.config import ConfigError, Experiment, grid, lookup
from vae_jax.config.safe import checked
from vae_jax.factors import views


@pytest.mark.parametrize('name', sorted(experiments.known()))
def test_every_experiment_could_be_asked_for(name):
  ex = importlib.import_module(f'experiments.{name}').experiment
  assert checked(ex) == ex


@pytest.mark.parametrize(
  'fields',
  [
    {'network': functools.partial(networks.mlp, widths=(0,))},
    {'network': functools.partial(views.noisy, noise=0.1)},
    {'view': functools.partial(views.noisy, noise=float('nan'))},
    {'likelihood': grid.alone},
    {'latents': 0},
    {'latents': '3'},
    {'dataset': 5},
    {'learning_rate': float('inf')},
    {'view': None},
  ],
)
def test_what_no_command_line_could_say_is_refused(fields):
  with pytest.raises(ConfigError):
    checked(Experiment(**fields))


def test_only_directions_are_offered_as_optimizers():
  optax = lookup.module('optax')
  there = lookup.choices(optax, optax.scale_by_adam, ())
  assert {'identity', 'scale_by_lion', 'scale_by_adam'} <= set(there)
  not_one = 'scale_by_polyak', 'polyak_sgd', 'keep_params_nonnegative', 'chain'
  assert not set(there) & {*not_one, 'set_to_zero', 'zero_nans'}


def test_the_rate_of_a_critic_that_is_not_there_is_refused():
  with pytest.raises(ConfigError, match='there is no critic'):
    grid.members(Experiment(), ['critic_rate=0.1,0.2'])

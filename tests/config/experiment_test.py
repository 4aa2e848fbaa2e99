import functools

import jax
import numpy as np
import pytest

from vae_jax import config
from vae_jax.config.override import override
from vae_jax.factors import likelihoods, objectives, schedules, views
from vae_jax.factors.hyper import Hyper
from vae_jax.measures import per_example


def test_every_default_fits_its_own_field():
  ex = config.Experiment()
  for field in config.function_fields():
    if callable(value := getattr(ex, field.name)):
      assert override(ex, f'{field.name}={config.render(value)}') == ex


def test_every_float_argument_of_a_factor_is_a_leaf_of_hyper():
  ex = config.Experiment(
    view=functools.partial(views.noisy, noise=0.25),
    objective=functools.partial(objectives.elbo, beta=4.0),
    likelihood=functools.partial(likelihoods.normal, sigma=0.5),
  )
  hyper = ex.hyper()
  assert {name: float(leaf) for name, leaf in hyper.leaves.items()} == {
    'learning_rate': np.float32(1e-3),
    'critic_rate': np.float32(1e-3),
    'view.noise': 0.25,
    'view.shift': 0.5,
    'objective.beta': 4.0,
    'objective.free_bits': 0.0,
  }
  for leaf in jax.tree.leaves(hyper):
    assert leaf.dtype == np.float32 and leaf.shape == ()


def squared(x, scale: float = 2.0):
  return scale * x**2


def of_a_function(
  model, params, example, key_B, f=squared, weight: float = 3.0, power: int = 2
):
  del model, params, key_B
  return {'loss': weight * f(example) ** power}


def test_a_float_of_a_function_s_own_function_is_a_leaf_too():
  ex = config.Experiment(objective=of_a_function)
  assert {'objective.weight': 3.0, 'objective.f.scale': 2.0}.items() <= (
    ex.leaves().items()
  )
  assert 'objective.power' not in ex.leaves()
  leaves = ex.leaves() | {'objective.weight': 5.0, 'objective.f.scale': 7.0}
  bound = ex.bound(Hyper(leaves))
  assert bound.objective(None, None, 2.0, None)['loss'] == 5.0 * 28**2
  assert bound.leaves() == leaves


def test_the_leaves_of_a_sweep_are_bound_where_they_belong():
  ex = config.Experiment(view=views.noisy)
  numbers = {name: float(i) for i, name in enumerate(ex.leaves())}
  bound = ex.bound(Hyper(numbers))
  assert bound.leaves() == numbers
  assert bound.learning_rate == numbers['learning_rate']
  assert bound.view.keywords['noise'] == numbers['view.noise']
  assert bound.prior is ex.prior  # has no number of its own


def test_one_number_is_set_by_its_name():
  hyper = config.Experiment().hyper()
  other = hyper.set('objective.beta', 3.0)
  assert other.leaves == hyper.leaves | {'objective.beta': 3.0}
  with pytest.raises(KeyError, match="no leaf 'beta' among .*objective.beta"):
    hyper.set('beta', 3.0)


def test_a_schedule_multiplies_its_leaf_alone():
  half = functools.partial(schedules.linear, steps=4)
  ex = config.Experiment(
    objective=functools.partial(objectives.elbo, beta=8.0),
    schedule=(('objective.beta', half), ('learning_rate', schedules.cosine)),
  )
  hyper = ex.hyper()
  found = [ex.scheduled(hyper, step).leaves for step in (0, 1, 4, 9)]
  assert [float(leaves['objective.beta']) for leaves in found] == [0, 2, 8, 8]
  assert float(found[0]['learning_rate']) == np.float32(1e-3)
  assert all(leaves.keys() == hyper.leaves.keys() for leaves in found)
  assert float(found[0]['critic_rate']) == np.float32(1e-3)


def test_the_objective_is_the_first_measure_and_there_once():
  quality = per_example.quality
  ex = config.Experiment(measures=(quality, objectives.elbo))
  assert ex.measured() == (objectives.elbo, quality)
  own = functools.partial(objectives.elbo, beta=2.0)
  ex = config.Experiment(objective=own, measures=(objectives.elbo, quality))
  assert ex.measured() == (own, quality)
  ex = config.Experiment(measures=(objectives.reconstruction,))
  assert ex.measured() == (objectives.elbo, objectives.reconstruction)


@pytest.mark.parametrize(
  ('fields', 'wanted'),
  [
    ({'epochs': 1.0, 'batch_size': 16}, 1),
    ({'epochs': 2.0, 'batch_size': 16}, 2),
    ({'epochs': 1.5, 'batch_size': 10}, 3),  # 24 examples of 16
    ({'epochs': 1e-6, 'batch_size': 16}, 1),
    ({'epochs': 3.0, 'steps': 7}, 7),
  ],
)
def test_a_run_has_as_many_steps_as_its_epochs_or_steps_say(fields, wanted):
  assert config.Experiment(**fields).total_steps(16) == wanted


def test_a_model_is_built_for_the_shapes_of_its_view(batch):
  ex = config.Experiment(latents=3, view=views.noisy)
  model = ex.model(batch)
  shapes = config.example_shapes(ex, batch)
  assert shapes.seen.shape == shapes.wanted.shape == (2, 6, 5, 2)
  assert shapes.given is None
  assert model.latents == 3
  assert model.c_factor is None and model.axis is None

import jax
import numpy as np
import pytest

from vae_jax import config
from vae_jax.config.override import override
from vae_jax.factors import views


def test_every_default_fits_its_own_field():
  ex = config.Experiment()
  for field in config.function_fields():
    if callable(value := getattr(ex, field.name)):
      assert override(ex, f'{field.name}={config.render(value)}') == ex


def test_hyper_holds_float32_scalars_of_the_fields():
  hyper = config.Experiment(beta=4.0, noise=0.25).hyper()
  assert (float(hyper.beta), float(hyper.noise)) == (4.0, 0.25)
  for leaf in jax.tree.leaves(hyper):
    assert leaf.dtype == np.float32 and leaf.shape == ()


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
  assert model.critic_net is None and model.axis is None

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vae_jax import data
from vae_jax.factors import likelihoods, views
from vae_jax.measures import struck


def phrases(n=5, seed=0):
  """Phrases of two bars in which a quarter of all cells is hit."""
  rng = np.random.default_rng(seed)
  x = rng.integers(0, 256, (n, 32, 9, 3)).astype(np.uint8)
  hit = rng.random((n, 32, 9, 1)) < 0.25
  x[..., :1] = 255
  x = np.where(hit, x, 0).astype(np.uint8)
  return data.Batch(x.reshape(n, -1), None, (32, 9, 3))


def test_a_drummer_sees_what_is_hit_and_not_how():
  batch = phrases()
  example = views.hits(batch, None)
  assert example.seen.shape == (5, 32, 9, 1) and example.given.shape[1:] == (
    32,
    9,
  )
  np.testing.assert_array_equal(example.seen[..., 0], example.given)
  np.testing.assert_array_equal(example.wanted, batch.images())
  assert set(np.unique(example.seen)) == {0.0, 1.0}
  with pytest.raises(ValueError, match='groove/BARS'):
    views.hits(batch.replace(shape=(32, 27, 1)), None)


def test_the_likelihood_is_that_of_normals_where_there_is_a_hit():
  x = np.asarray(phrases(2).images())
  outputs = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
  found = likelihoods.struck(sigma=0.2)(jnp.asarray(outputs), jnp.asarray(x))
  mean = 1 / (1 + np.exp(-outputs[..., 1:].astype(np.float64)))
  log_p = stats.norm.logpdf(x[..., 1:], mean, 0.2) * x[..., :1]
  np.testing.assert_allclose(found, log_p.sum((1, 2, 3)), rtol=1e-5)
  key_B = jax.random.split(jax.random.key(0), 2)
  drawn = likelihoods.struck(sigma=0.01).sample(jnp.asarray(outputs), key_B)
  near = np.abs(np.asarray(drawn)[..., 1:] - mean)
  assert near.max() < 0.06 and near.mean() > 0.005


def test_errors_are_those_of_hits_alone():
  batch = phrases(3)
  example = views.hits(batch, None)

  class Off:
    """A model that is a tenth off in velocity and a fifth in delay, and far off
    where nothing is hit."""

    def reconstruct(self, params, seen, given):
      off = example.wanted + jnp.array([0.0, 0.1, -0.2])[None, None, None]
      return jnp.where(example.wanted[..., :1] > 0, off, 9.0)

  found = struck.errors(Off(), None, example, None)
  np.testing.assert_allclose(found['velocity_error'], 12.7, rtol=1e-5)
  np.testing.assert_allclose(found['delay_error_steps'], 0.2, rtol=1e-5)


def test_habits_are_means_of_hits():
  splits = {'train': phrases(40), 'test': phrases(7, seed=1)}
  trained = dataclasses.make_dataclass('T', ['data'])(splits)
  found = struck.habits(trained)
  train = np.asarray(splits['train'].images())
  test = np.asarray(splits['test'].images())
  wanted = []
  for phrase in test:
    errors = []
    for step, drum in np.argwhere(phrase[..., 0] > 0):
      own = train[:, :, drum][train[:, :, drum, 0] > 0].mean(0)
      errors.append(np.abs(own - phrase[step, drum])[1:])
    wanted.append(np.mean(errors, 0))
  velocity, delay = np.mean(wanted, 0)
  assert found['each drum'] == pytest.approx([127 * velocity, delay], rel=1e-5)
  assert set(found) == {'each drum', 'each drum and step'}


def test_habits_at_a_step_know_what_that_step_is_like():
  x = np.zeros((20, 32, 9, 3), np.uint8)
  x[:, ::4, 0] = 255, 200, 128
  x[:, 2::4, 0] = 255, 50, 128
  batch = data.Batch(x.reshape(20, -1), None, (32, 9, 3))
  make = dataclasses.make_dataclass('T', ['data'])
  found = struck.habits(make({'train': batch, 'test': batch}))
  assert found['each drum and step'] == pytest.approx([0, 0], abs=1e-4)
  assert found['each drum'][0] == pytest.approx(127 * 75 / 255, rel=1e-4)

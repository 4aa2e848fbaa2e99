import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import data, views

# The shift is traced: one compilation for every size of batch.
noisy = jax.jit(views.noisy)


@pytest.fixture
def hyper(tiny):
  return tiny.hyper()


@pytest.fixture
def grey():
  """64 images of 32x32 pixels that are all 128, where little is clipped."""
  return data.Batch(np.full((64, 1024), 128, np.uint8), None, (32, 32, 1))


def keys(batch, seed=0):
  # Not through fold_in, which costs a compilation for every size.
  data = [[seed, i] for i in range(batch.size)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def seen(batch, hyper, seed=0, shift=0.5):
  example = noisy(batch, keys(batch, seed), hyper, shift)
  return np.asarray(example.seen)


def test_clean_sees_what_it_must_produce(batch, hyper):
  example = views.clean(batch, keys(batch), hyper)
  np.testing.assert_array_equal(example.seen, batch.images())
  np.testing.assert_array_equal(example.wanted, batch.images())
  assert example.given is None


def test_noisy_must_produce_the_clean_image(batch, hyper):
  example = noisy(batch, keys(batch), hyper, 0.5)
  np.testing.assert_allclose(example.wanted, batch.images(), rtol=1e-6)
  assert (np.asarray(example.seen) != np.asarray(example.wanted)).any()


def test_every_key_draws_fresh_noise(batch, hyper):
  first, again, other = (seen(batch, hyper, seed) for seed in (0, 0, 1))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any((1, 2, 3)).all()


def test_every_example_draws_noise_of_its_own(grey, hyper):
  x = seen(grey, hyper, shift=0.0).reshape(64, -1)
  assert len(np.unique(x, axis=0)) == 64


def test_noise_is_per_key_whatever_the_batch(batch, hyper):
  few = batch.take(np.arange(5))
  np.testing.assert_array_equal(seen(few, hyper), seen(batch, hyper)[:5])


def test_noise_has_the_mean_and_the_deviation_it_says(grey, hyper):
  hyper = dataclasses.replace(hyper, noise=jnp.float32(0.05))
  noise = seen(grey, hyper, shift=0.1) - 128 / 255
  # Tolerances are four standard errors of 65,536 draws.
  assert abs(noise.mean() - 0.1) < 4 * 0.05 / 256
  assert abs(noise.std() - 0.05) < 4 * 0.05 / 362


def test_noisy_is_clipped_to_the_range_of_images(batch, hyper):
  x = seen(batch, dataclasses.replace(hyper, noise=jnp.float32(2.0)))
  assert x.min() == 0.0 and x.max() == 1.0


def test_no_noise_leaves_the_shift(batch, hyper):
  hyper = dataclasses.replace(hyper, noise=jnp.float32(0.0))
  images = np.asarray(batch.images())
  np.testing.assert_allclose(seen(batch, hyper, shift=0), images, rtol=1e-6)
  shifted = np.minimum(images + np.float32(0.25), 1)
  np.testing.assert_allclose(seen(batch, hyper, shift=0.25), shifted, rtol=1e-6)

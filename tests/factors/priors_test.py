import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from vae_jax.factors import priors

MASK = jnp.array([1.0, 1.0, 0.0, 1.0, 0.0])


def keys(n):
  # Not through fold_in, which costs a compilation for every size.
  data = [[0, i] for i in range(n)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def draw(*shape):
  return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_log_prob_agrees_with_scipy():
  z_BZ = 3 * draw(4, 5)
  wanted = scipy.stats.norm.logpdf(z_BZ.astype(np.float64)).sum(-1)
  found = priors.StandardNormal(5).log_prob(z_BZ)
  np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_masked_latent_counts_nothing_in_log_prob():
  z_BZ = 3 * draw(4, 5)
  wanted = scipy.stats.norm.logpdf(z_BZ[:, [0, 1, 3]]).sum(-1)
  z_BZ[:, [2, 4]] = np.inf
  found = priors.StandardNormal(5, MASK).log_prob(z_BZ)
  np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_masked_latent_is_sampled_as_zero_and_the_others_as_ever():
  free = np.asarray(priors.StandardNormal(5).sample(keys(4)))
  z_BZ = np.asarray(priors.StandardNormal(5, MASK).sample(keys(4)))
  np.testing.assert_array_equal(z_BZ, np.where(MASK[None] > 0, free, 0))
  assert free.all()


@pytest.fixture(scope='module')
def wide():
  """Noise of 512 keys for nine latents."""
  return np.asarray(priors.noise(keys(512), 9))


def test_noise_is_standard_normal(wide):
  assert scipy.stats.kstest(wide.ravel(), 'norm').pvalue > 0.01


@pytest.mark.parametrize('latents', [1, 5])
def test_noise_has_the_prefix_property_in_the_latent_size(wide, latents):
  narrow = priors.noise(keys(4), latents)
  np.testing.assert_array_equal(narrow, wide[:4, :latents])


def test_noise_is_per_key_whatever_the_batch(wide):
  few = priors.noise(keys(512)[7:11], 9)
  np.testing.assert_array_equal(few, wide[7:11])
  correlation = np.corrcoef(wide.T) - np.eye(9)
  assert np.abs(correlation).max() < 4 / np.sqrt(512)


def test_the_standard_normal_prior_has_no_parameters_and_the_models_mask():
  prior = priors.standard_normal(5)
  model = types.SimpleNamespace(z_mask=MASK)
  assert prior.init(jax.random.key(0), model, None) == {}
  p = prior.bind(model, {}, None)
  assert p.latents == 5 and p.z_mask is MASK
  assert prior.maskable


def test_masked_keeps_all_without_a_mask_and_kills_what_is_not_finite():
  values_BZ = draw(4, 5)
  np.testing.assert_array_equal(priors.masked(values_BZ, None), values_BZ)
  wanted = np.where(MASK[None] > 0, values_BZ, 0)
  values_BZ[:, [2, 4]] = np.nan
  np.testing.assert_array_equal(priors.masked(values_BZ, MASK), wanted)

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax.factors import likelihoods

SHAPE = (3, 4, 5, 2)


def draw(seed, *shape):
  return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def keys(n):
  # Not through fold_in, which costs a compilation for every size.
  data = [[0, i] for i in range(n)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def summed(values):
  return values.sum((1, 2, 3))


def test_bernoulli_agrees_with_scipy_on_binary_images():
  logits, x = 3 * draw(0, *SHAPE), (draw(1, *SHAPE) > 0).astype(np.float32)
  p = scipy.special.expit(logits.astype(np.float64))
  wanted = summed(scipy.stats.bernoulli.logpmf(x, p))
  found = likelihoods.bernoulli()(logits, x)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_bernoulli_is_minus_the_cross_entropy_on_grey_images():
  logits = draw(0, *SHAPE)
  x = scipy.special.expit(draw(1, *SHAPE))
  p = scipy.special.expit(logits.astype(np.float64))
  wanted = summed(x * np.log(p) + (1 - x) * np.log1p(-p))
  found = likelihoods.bernoulli()(logits, x)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_cross_entropy_is_exact_far_from_zero():
  logits = jnp.array([1000.0, 1000.0, -1000.0, -1000.0])
  x = jnp.array([1.0, 0.0, 1.0, 0.0])
  values, pull = jax.vjp(likelihoods.cross_entropy, logits, x)
  np.testing.assert_array_equal(values, [0.0, 1000.0, 1000.0, 0.0])
  np.testing.assert_array_equal(pull(jnp.ones(4))[0], [0.0, 1.0, -1.0, 0.0])


def test_cross_entropy_has_the_gradient_of_the_plain_formula():
  logits, weight = 2 * draw(0, 40), draw(2, 40)
  x = scipy.special.expit(draw(1, 40))

  def plain(logits):
    log_p, log_q = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
    return -(weight * (x * log_p + (1 - x) * log_q)).sum()

  def ours(logits, x):
    return (weight * likelihoods.cross_entropy(logits, x)).sum()

  found = jax.jit(jax.grad(ours))(logits, x)
  np.testing.assert_allclose(found, jax.jit(jax.grad(plain))(logits), atol=1e-6)


@pytest.mark.parametrize('sigma', [0.1, 1.0, 2.5])
def test_a_fixed_normal_agrees_with_scipy(sigma):
  mean, x = draw(0, *SHAPE), draw(1, *SHAPE)
  wanted = summed(scipy.stats.norm.logpdf(x.astype(np.float64), mean, sigma))
  found = likelihoods.normal(sigma)(mean, x)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_learned_normal_agrees_with_scipy():
  mean, log_sigma, x = (draw(i, *SHAPE) for i in range(3))
  outputs = np.concatenate([mean, log_sigma], -1)
  sigma = np.exp(log_sigma.astype(np.float64))
  wanted = summed(scipy.stats.norm.logpdf(x, mean, sigma))
  found = likelihoods.normal(None)(outputs, x)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_learned_sigma_has_a_floor():
  x = np.zeros((1, 1, 1, 1), np.float32)
  outputs = np.array([0.0, -100.0], np.float32).reshape(1, 1, 1, 2)
  wanted = scipy.stats.norm.logpdf(0, 0, math.exp(-6))
  found = likelihoods.normal(None)(outputs, x)
  np.testing.assert_allclose(found, [wanted], rtol=1e-6)


@pytest.mark.parametrize('scale', [0.1, 1.0, 2.5])
def test_a_fixed_laplace_agrees_with_scipy(scale):
  median, x = draw(0, *SHAPE), draw(1, *SHAPE)
  x_64 = x.astype(np.float64)
  wanted = summed(scipy.stats.laplace.logpdf(x_64, median, scale))
  found = likelihoods.laplace(scale)(median, x)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_a_learned_laplace_agrees_with_scipy_and_has_a_floor():
  median, log_scale, x = (draw(i, *SHAPE) for i in range(3))
  log_scale[0, 0, 0] = -100
  outputs = np.concatenate([median, log_scale], -1)
  scale = np.exp(np.maximum(log_scale.astype(np.float64), -6))
  wanted = summed(scipy.stats.laplace.logpdf(x, median, scale))
  found = likelihoods.laplace(None)(outputs, x)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize('size', [1.0, None])
@pytest.mark.parametrize('kind', [likelihoods.normal, likelihoods.laplace])
def test_a_sigmoid_squashes_the_locations_and_nothing_else(kind, size):
  plain, squashed = kind(size), kind(size, sigmoid=True)
  outputs, x = draw(0, *SHAPE[:3], 2 * plain.size), draw(1, *SHAPE)
  location, rest = outputs[..., :2], outputs[..., 2:]
  bounded = np.concatenate([scipy.special.expit(location), rest], -1)
  wanted = plain(bounded, x)
  np.testing.assert_allclose(squashed(outputs, x), wanted, rtol=1e-5)
  found = squashed.mean(outputs)
  np.testing.assert_allclose(found, scipy.special.expit(location), rtol=1e-5)


@pytest.mark.parametrize('scale', [0, -1.0])
def test_a_scale_that_is_not_positive_is_refused(scale):
  with pytest.raises(ValueError, match=f'scale .*or None, not {scale}'):
    likelihoods.laplace(scale)


@pytest.mark.parametrize('sigma', [0, -1.0])
def test_a_sigma_that_is_not_positive_is_refused(sigma):
  with pytest.raises(ValueError, match=f'positive or None, not {sigma}'):
    likelihoods.normal(sigma)


def bernoulli_sigma(outputs):
  p = scipy.special.expit(outputs)
  return np.sqrt(p * (1 - p))


@pytest.mark.parametrize(
  'likelihood, sigma',
  [
    (likelihoods.bernoulli(), bernoulli_sigma),
    (likelihoods.normal(3.0), lambda outputs: 3.0),
    (likelihoods.normal(None), lambda outputs: np.exp(outputs[..., 2:])),
    (likelihoods.laplace(2.0), lambda outputs: 2 * math.sqrt(2)),
    (
      likelihoods.laplace(None),
      lambda outputs: math.sqrt(2) * np.exp(outputs[..., 2:]),
    ),
  ],
)
def test_samples_have_the_moments_of_the_likelihood(likelihood, sigma):
  n = 4000
  one = draw(0, 1, 2, 3, 2 * likelihood.size)
  outputs = np.repeat(one, n, 0)
  mean = np.asarray(likelihood.mean(outputs))
  samples = np.asarray(jax.jit(likelihood.sample)(outputs, keys(n)))
  assert mean.shape == samples.shape == (n, 2, 3, 2)
  assert samples.dtype == np.float32
  sigma = sigma(one[0])
  # Four standard errors of a mean, and more than that of a deviation.
  error = np.abs(samples.mean(0) - mean[0]) * math.sqrt(n) / sigma
  assert error.max() < 4
  np.testing.assert_allclose(samples.std(0), sigma + 0 * mean[0], rtol=0.06)
  if likelihood.mean is jax.nn.sigmoid:
    np.testing.assert_array_equal(np.unique(samples), [0.0, 1.0])


def test_the_mean_of_a_learned_normal_is_its_first_half():
  mean, log_sigma = draw(0, *SHAPE), draw(1, *SHAPE)
  found = likelihoods.normal(None).mean(np.concatenate([mean, log_sigma], -1))
  np.testing.assert_array_equal(found, mean)


def test_a_categorical_agrees_with_scipy():
  logits = 3 * draw(0, 5, 1, 1, 4)
  one_hot = np.eye(4, dtype=np.float32)[[0, 3, 1, 1, 2]].reshape(5, 1, 1, 4)
  p = scipy.special.softmax(logits.astype(np.float64), -1)
  wanted = scipy.stats.multinomial.logpmf(one_hot, 1, p).ravel()
  found = likelihoods.categorical()(logits, one_hot)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)
  mean = likelihoods.categorical().mean(logits)
  np.testing.assert_allclose(mean, p, rtol=1e-5)


def test_a_categorical_draws_one_class_as_often_as_it_is_likely():
  logits = np.repeat(draw(0, 1, 1, 2, 3), 4000, 0)
  likelihood = likelihoods.categorical()
  samples = np.asarray(jax.jit(likelihood.sample)(logits, keys(4000)))
  np.testing.assert_array_equal(samples.sum(-1), np.ones((4000, 1, 2)))
  assert set(np.unique(samples)) == {0.0, 1.0}
  p = np.asarray(likelihood.mean(logits))[0]
  # Four standard errors of a share.
  error = np.abs(samples.mean(0) - p) / np.sqrt(p * (1 - p) / 4000)
  assert error.max() < 4

"""The estimate against probabilistic PCA, whose likelihood is known exactly."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax import config, data, networks
from vae_jax.factors import likelihoods, posteriors
from vae_jax.measures import examples, importance
from vae_jax.training import State, replicate
from vae_jax.training.devices import OneRun

SIGMA, N, P, Z = 0.5, 40, 30, 3
EX = config.Experiment(
  network=functools.partial(networks.mlp, widths=()),  # linear
  likelihood=functools.partial(likelihoods.normal, sigma=SIGMA),
  latents=Z,
  nll_samples=5,
)


class Linear:
  """x = W z + b + SIGMA * noise; columns of W orthogonal, so that the exact
  posterior is one that EX has."""

  def __init__(self):
    rng = np.random.default_rng(0)
    basis_PZ = np.linalg.qr(rng.standard_normal((P, Z)))[0]
    self.w_PZ = basis_PZ * [1.5, 1.0, 0.7]
    self.b_P = np.full(P, 0.5)
    pixels_NP = rng.integers(0, 256, (N, P), dtype=np.uint8)
    self.batch = data.Batch(pixels_NP, None, shape=(6, 5, 1))
    self.x_NP = pixels_NP / 255.0
    self.precision_Z = 1 + (self.w_PZ**2).sum(0) / SIGMA**2

  def state(self, shift=0.0, widen=1.0):
    """The exact posterior, its mean shifted and its width times `widen`."""
    kernel_PZ = self.w_PZ / SIGMA**2 / self.precision_Z
    log_sigma_Z = -0.5 * np.log(self.precision_Z) + np.log(widen)
    heads = {
      'z_mean': (kernel_PZ, shift - self.b_P @ kernel_PZ),
      'z_log_sigma': (np.zeros((P, Z)), log_sigma_Z),
    }
    params = {
      'encoder': {name: dense(*head) for name, head in heads.items()},
      'decoder': {'Dense_0': dense(self.w_PZ.T, self.b_P)},
    }
    return State(np.int32(0), np.int32(0), params, (), jax.random.key(1))

  def log_p(self, w_PZ=None):
    """log p(x) of every image: [N]."""
    w_PZ = self.w_PZ if w_PZ is None else w_PZ
    covariance_PP = w_PZ @ w_PZ.T + SIGMA**2 * np.eye(P)
    exact = scipy.stats.multivariate_normal(self.b_P, covariance_PP)
    return exact.logpdf(self.x_NP)

  def gap(self, shift, widen):
    """KL(q || exact posterior): by how much the ELBO is below log p(x)."""
    shifted = shift**2 * self.precision_Z.sum()
    return 0.5 * (shifted + Z * (widen**2 - 1 - 2 * np.log(widen)))


LINEAR = Linear()
OFF = dict(shift=0.1, widen=1.3)


def dense(kernel, bias):
  return {'kernel': np.float32(kernel), 'bias': np.float32(bias)}


def log_likelihoods(state, samples, chunk=4, hyper=None):
  """The estimate for every image: [N]."""
  f = functools.partial(importance.log_likelihood, EX, samples, chunk)
  hyper = EX.hyper() if hyper is None else hyper
  index = jnp.arange(N), jnp.arange(N)
  return np.asarray(jax.jit(f)(LINEAR.batch, hyper, state, index))


def log_weights(state, samples):
  """log p(x, z) - log q(z given x) of every draw, one at a time: [S, N]."""
  model = EX.model(LINEAR.batch)
  x_NHWC = LINEAR.batch.images()
  q = model.encode(state.params, x_NHWC)
  key = jax.random.fold_in(state.key, examples.IMPORTANCE)

  @jax.jit
  def one(sample):
    key_N = jax.vmap(
      lambda i: jax.random.fold_in(jax.random.fold_in(key, i), sample)
    )(jnp.arange(N))
    z_NZ = q.sample(key_N)
    log_p_N = model.log_likelihood(model.decode(state.params, z_NZ), x_NHWC)
    p = model.prior(state.params)
    return log_p_N + p.log_prob(z_NZ) - q.log_prob(z_NZ)

  return np.stack([one(sample) for sample in range(samples)])


def pooled(ex, state, devices, **sizes):
  """The figures of the split on these devices."""
  hyper, state = replicate((ex.hyper(), state), devices)
  estimate = importance.nll(ex, OneRun(devices), **sizes)
  [found] = estimate(LINEAR.batch, hyper, state)
  return found


@pytest.mark.parametrize('samples', [1, 4, 7])
def test_with_the_exact_posterior_every_draw_gives_the_exact_likelihood(
  samples,
):
  # Also: the number of draws is divided by, those that fill a chunk are not.
  found_N = log_likelihoods(LINEAR.state(), samples)
  np.testing.assert_allclose(found_N, LINEAR.log_p(), rtol=2e-5)


def test_with_another_posterior_many_draws_come_to_the_exact_likelihood():
  error_N = log_likelihoods(LINEAR.state(**OFF), 2000, 50) - LINEAR.log_p()
  assert 0 < importance.stderr(error_N) < 0.01
  assert abs(error_N.mean()) < 3 * importance.stderr(error_N)


def test_the_estimate_is_the_log_of_the_mean_weight():
  # Not of the worst, not of the sum, not the mean of the logs.
  log_w_SN = log_weights(LINEAR.state(**OFF), 5)
  wanted_N = scipy.special.logsumexp(log_w_SN, axis=0) - np.log(5)
  found_N = log_likelihoods(LINEAR.state(**OFF), 5, 2)
  np.testing.assert_allclose(found_N, wanted_N, rtol=1e-5)


def test_one_draw_gives_the_elbo():
  state = LINEAR.state(**OFF)
  found_N = log_likelihoods(state, 1)
  np.testing.assert_allclose(found_N, log_weights(state, 1)[0], rtol=1e-5)
  error_N = found_N - (LINEAR.log_p() - LINEAR.gap(**OFF))
  assert abs(error_N.mean()) < 3 * importance.stderr(error_N)


def test_the_bound_rises_with_the_number_of_draws_to_the_likelihood():
  state = LINEAR.state(shift=0.2, widen=1.5)
  bounds = [log_likelihoods(state, s, 8).mean() for s in (1, 8, 256)]
  assert (np.diff(bounds) > 0).all()
  # And does use them: most of the gap is gone.
  gap = LINEAR.log_p().mean() - bounds
  assert gap[0] > 0.5 and abs(gap[-1]) < 0.1 * gap[0]


def test_devices_batches_and_chunks_change_nothing():
  state, devices = LINEAR.state(**OFF), jax.local_devices()
  wanted = pooled(EX, state, devices[:1])
  for found in (
    pooled(EX, state, devices, batch_size=3, rows=6),
    pooled(EX, state, devices[:3], batch_size=7, rows=1),
  ):
    assert set(found) == set(wanted)
    for name, figure in found.items():
      np.testing.assert_allclose(figure, wanted[name], rtol=1e-5)


@pytest.mark.parametrize(
  'count, most, size', [(100, 128, 100), (1000, 128, 125), (7, 4, 4), (5, 0, 1)]
)
def test_pieces_are_few_and_even(count, most, size):
  assert importance.evened(count, most) == size


def test_images_and_draws_are_cut_to_so_many_rows():
  ex = config.Experiment(nll_samples=100)
  assert importance.batch_and_chunk(ex, 1000, rows=512, batch_size=128) == (
    125,
    4,
  )
  assert importance.batch_and_chunk(ex, 10, rows=10_000, batch_size=128) == (
    10,
    100,
  )
  assert importance.batch_and_chunk(ex, 128, rows=64, batch_size=128) == (
    128,
    1,
  )


def test_the_figures_are_those_of_some_images_with_their_counts():
  ex = dataclasses.replace(EX, nll_images=6, nll_samples=1)
  found = pooled(ex, LINEAR.state(), jax.local_devices())
  log_p_N = LINEAR.log_p()[np.arange(6) * N // 6]
  wanted = {
    'nll_iw_nats': -log_p_N.mean(),
    'nll_iw_stderr_nats': scipy.stats.sem(log_p_N),
    'nll_iw_samples': 1,
    'nll_iw_images': 6,
  }
  assert found == pytest.approx(wanted, rel=1e-4)


def test_masked_latents_count_nothing():
  hyper = EX.hyper().replace(z_mask=np.float32([1, 0, 1]))
  found_N = log_likelihoods(LINEAR.state(), 3, hyper=hyper)
  wanted_N = LINEAR.log_p(LINEAR.w_PZ[:, [0, 2]])
  np.testing.assert_allclose(found_N, wanted_N, rtol=2e-5)


def test_the_draws_are_those_of_no_measure():
  codes = {examples.EVALUATION, examples.BASELINES, examples.IMPORTANCE}
  assert len(codes) == 3 and min(codes) >= 2**31


def test_huge_weights_neither_overflow_nor_vanish():
  log_w_SB = np.float32([[-1e4, 1e4], [-1e4 + 1, -1e4], [-np.inf, 1e4]])
  lowest_B = np.full(2, np.finfo(np.float32).min)
  total = lowest_B, np.zeros(2, np.float32)
  for part_SB in (log_w_SB[:2], log_w_SB[2:]):
    total = importance.added(total, part_SB)
  wanted_B = scipy.special.logsumexp(log_w_SB, axis=0)
  np.testing.assert_allclose(total[0] + np.log(total[1]), wanted_B, rtol=1e-6)


@pytest.mark.parametrize(
  'change', [{'nll_samples': 0}, {'posterior': posteriors.point}]
)
def test_nothing_is_said_where_nothing_is_asked_or_known(change):
  ex = dataclasses.replace(EX, **change)
  estimate = importance.nll(ex, OneRun(jax.local_devices()))
  assert estimate(LINEAR.batch, None, None) == [{}]


def test_bits_per_dimension_are_for_a_probability_of_the_pixels():
  log_p_N = np.full(4, -P * np.log(2))  # a fair coin per pixel
  coins = dataclasses.replace(EX, likelihood=likelihoods.bernoulli)
  binary, grey = (LINEAR.batch.replace(scale=scale) for scale in (1.0, 255.0))
  found = importance.as_results(coins, binary, log_p_N)
  assert found['bits_per_dim'] == pytest.approx(1.0)
  for ex, batch in ((coins, grey), (EX, binary), (EX, grey)):
    assert 'bits_per_dim' not in importance.as_results(ex, batch, log_p_N)


def test_the_images_come_from_all_over_the_split_with_the_noise_they_have():
  state, devices = LINEAR.state(**OFF), jax.local_devices()
  whole_N = log_likelihoods(state, 7)
  ex = dataclasses.replace(EX, nll_samples=7, nll_images=5)
  found = pooled(ex, state, devices)
  chosen = np.arange(5) * N // 5
  assert chosen[-1] > N // 2
  wanted = -whole_N[chosen].mean()
  assert found['nll_iw_nats'] == pytest.approx(wanted, rel=1e-6)
  assert found['nll_iw_images'] == 5

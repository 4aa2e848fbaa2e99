import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from vae_jax.factors import divergences, posteriors, priors

sample = jax.jit(posteriors.Normal.sample)

MASK = jnp.array([1.0, 0.0, 1.0])


def keys(n):
  # Not through fold_in, which costs a compilation for every size.
  data = [[0, i] for i in range(n)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def heads(*shape):
  rng = np.random.default_rng(0)
  return (
    rng.standard_normal(shape).astype(np.float32),
    rng.uniform(-2, 1, shape).astype(np.float32),
  )


def kl(z_mean, z_log_sigma, z_mask=None):
  q = posteriors.Normal(z_mean, z_log_sigma, z_mask)
  p = priors.StandardNormal(z_mean.shape[-1], z_mask)
  return divergences.kl(q, p, q.mean)


def integral(mean, sigma):
  """KL(N(mean, sigma) || N(0, 1)) by quadrature of its definition."""
  q, p = scipy.stats.norm(mean, sigma), scipy.stats.norm

  def integrand(z):
    return q.pdf(z) * (q.logpdf(z) - p.logpdf(z))

  ends = mean - 12 * sigma, mean + 12 * sigma
  return scipy.integrate.quad(integrand, *ends)[0]


def test_kl_is_the_integral_that_defines_it():
  z_mean, z_log_sigma = heads(4, 3)
  wanted = np.vectorize(integral)(z_mean, np.exp(z_log_sigma))
  found = kl(z_mean, z_log_sigma)
  assert found.shape == (4, 3)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_kl_takes_z_log_sigma_for_a_standard_deviation():
  # The lesson's formula, 0.5 (mu^2 + exp(s) - 1 - s), says 2.2 nats here.
  found = kl(np.float32([[0.76]]), np.float32([[-4.81]]))
  np.testing.assert_allclose(found, [[4.60]], atol=5e-3)
  np.testing.assert_allclose(integral(0.76, np.exp(-4.81)), 4.60, atol=5e-3)


def test_kl_is_zero_only_at_the_prior():
  zeros = np.zeros((1, 3), np.float32)
  assert (np.asarray(kl(zeros, zeros)) == 0).all()
  assert (np.asarray(kl(zeros + 0.1, zeros)) > 0).all()
  for s in (-0.1, 0.1):
    assert (np.asarray(kl(zeros, zeros + np.float32(s))) > 0).all()


def test_kl_is_the_mean_of_log_q_minus_log_p_over_samples():
  z_mean, z_log_sigma = heads(1, 3)
  n = 4000
  q = posteriors.Normal(*(np.repeat(h, n, 0) for h in (z_mean, z_log_sigma)))
  z_BZ = sample(q, keys(n))
  drawn = q.log_prob(z_BZ) - priors.StandardNormal(3).log_prob(z_BZ)
  error = np.std(drawn) / np.sqrt(n)
  closed = np.sum(kl(z_mean, z_log_sigma))
  assert abs(np.mean(drawn) - closed) < 4 * error < 0.2


def test_kl_to_an_unknown_prior_is_its_one_sample_estimate():
  class Laplace:
    def log_prob(self, z_BZ):
      return jnp.asarray(scipy.stats.laplace.logpdf(z_BZ).sum(-1))

  z_mean, z_log_sigma = heads(4, 3)
  z_BZ = z_mean + 1
  q = posteriors.Normal(z_mean, z_log_sigma)
  log_q = scipy.stats.norm.logpdf(z_BZ, z_mean, np.exp(z_log_sigma)).sum(-1)
  wanted = (log_q - scipy.stats.laplace.logpdf(z_BZ).sum(-1))[:, None]
  found = divergences.kl(q, Laplace(), z_BZ)
  np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_log_prob_agrees_with_scipy():
  z_mean, z_log_sigma = heads(4, 3)
  z_BZ = z_mean[::-1]
  sigma = np.exp(z_log_sigma.astype(np.float64))
  wanted = scipy.stats.norm.logpdf(z_BZ, z_mean, sigma).sum(-1)
  found = posteriors.Normal(z_mean, z_log_sigma).log_prob(z_BZ)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_samples_have_the_mean_and_the_standard_deviation_of_the_heads():
  z_mean, z_log_sigma = heads(1, 3)
  n = 4000
  q = posteriors.Normal(*(np.repeat(h, n, 0) for h in (z_mean, z_log_sigma)))
  scaled = (np.asarray(sample(q, keys(n))) - z_mean) / np.exp(z_log_sigma)
  for column in scaled.T:
    assert scipy.stats.kstest(column, 'norm').pvalue > 0.01


def test_a_sample_moves_with_the_heads_as_the_reparameterisation_says():
  z_mean, z_log_sigma = heads(4, 3)

  def total(z_mean, z_log_sigma):
    return posteriors.Normal(z_mean, z_log_sigma).sample(keys(4)).sum()

  to_mean, to_log_sigma = jax.jit(jax.grad(total, (0, 1)))(z_mean, z_log_sigma)
  z_BZ = sample(posteriors.Normal(z_mean, z_log_sigma), keys(4))
  np.testing.assert_array_equal(to_mean, np.ones((4, 3)))
  np.testing.assert_allclose(to_log_sigma, z_BZ - z_mean, atol=1e-6)


def test_masked_latents_count_nothing_and_are_sampled_as_zero():
  z_mean, z_log_sigma = heads(4, 3)
  small = posteriors.Normal(z_mean[:, [0, 2]], z_log_sigma[:, [0, 2]])
  wide = posteriors.Normal(z_mean, z_log_sigma, MASK)
  z_BZ = np.asarray(sample(wide, keys(4)))
  assert (z_BZ[:, 1] == 0).all() and z_BZ[:, [0, 2]].all()
  np.testing.assert_allclose(
    wide.log_prob(z_BZ), small.log_prob(z_BZ[:, [0, 2]]), rtol=1e-6
  )
  kl_BZ = np.asarray(kl(z_mean, z_log_sigma, MASK))
  assert (kl_BZ[:, 1] == 0).all()
  wanted = kl(z_mean[:, [0, 2]], z_log_sigma[:, [0, 2]])
  np.testing.assert_allclose(kl_BZ[:, [0, 2]], wanted, rtol=1e-6)


@pytest.mark.parametrize('huge', [500.0, -500.0])
def test_a_huge_masked_z_log_sigma_does_not_overflow(huge):
  z_mean, z_log_sigma = heads(4, 3)
  z_log_sigma[:, 1] = huge
  q = posteriors.Normal(z_mean, z_log_sigma, MASK)
  for values in (sample(q, keys(4)), q.log_prob(z_mean + 1)):
    assert np.isfinite(values).all()
  assert np.isfinite(kl(z_mean, z_log_sigma, MASK)).all()


def test_a_point_is_its_own_sample_and_has_no_kl():
  z_mean, _ = heads(4, 3)
  q = posteriors.Point(z_mean)
  np.testing.assert_array_equal(q.sample(keys(4)), z_mean)
  np.testing.assert_array_equal(q.mean, z_mean)
  found = divergences.kl(q, priors.StandardNormal(3), z_mean)
  np.testing.assert_array_equal(found, np.zeros((4, 1)))
  np.testing.assert_array_equal(q.log_prob(z_mean), np.zeros(4))


def test_the_mean_of_a_normal_is_no_sample():
  z_mean, z_log_sigma = heads(4, 3)
  q = posteriors.Normal(z_mean, z_log_sigma)
  np.testing.assert_array_equal(q.mean, z_mean)
  assert (np.asarray(sample(q, keys(4))) != z_mean).all()


def test_a_posterior_says_which_heads_it_needs():
  assert posteriors.point(3).heads == {'z_mean': 3}
  assert posteriors.normal(3).heads == {'z_mean': 3, 'z_log_sigma': 3}
  # Of a network that has a size of its own.
  assert posteriors.point(None).heads == {'z_mean': None}


def test_no_density_and_no_parameters_are_said():
  assert posteriors.normal(3).density and not posteriors.point(3).density
  assert posteriors.normal(3).init(None, None, None) == {}

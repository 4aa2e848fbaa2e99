"""Distances of codes to the prior: closed forms, double sums, scipy."""

import numpy as np
import pytest
import scipy.stats

from vae_jax.measures.discrepancy import (
  against_draws,
  fit_to_normal,
  kolmogorov_smirnov,
  mmd2,
)


def normals(n, z=2, mean=0.0, std=1.0, seed=0):
  return mean + std * np.random.default_rng(seed).standard_normal((n, z))


def closed_mmd2(z, mean, std, width):
  """Of N(0, I) and N(mean, std^2 I), by the Gaussian integral of the kernel."""

  def expected(variance, distance2):
    total = width**2 + variance
    return (width**2 / total) ** (z / 2) * np.exp(-distance2 / (2 * total))

  within = expected(2, 0) + expected(2 * std**2, 0)
  return within - 2 * expected(1 + std**2, z * mean**2)


@pytest.mark.parametrize(('mean', 'std'), [(0.0, 1.0), (0.7, 1.0), (0.3, 1.6)])
@pytest.mark.parametrize('z', [1, 2, 5])
def test_mmd_is_its_closed_form_for_normals(z, mean, std):
  x, y = normals(3000, z), normals(3000, z, mean, std, seed=1)
  wanted = closed_mmd2(z, mean, std, 1.3)
  assert mmd2(x, y, 1.3) == pytest.approx(wanted, abs=0.015)


def test_mmd_is_the_double_sum_of_gretton_2012_and_unbiased_at_any_size():
  x, y = normals(4, 3), normals(5, 3, 1.0, seed=1)

  def mean(a, b, skip):
    pairs = [
      np.exp(-((p - q) ** 2).sum() / 6)
      for i, p in enumerate(a)
      for j, q in enumerate(b)
      if not (skip and i == j)
    ]
    return np.mean(pairs)

  wanted = mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)
  assert mmd2(x, y) == pytest.approx(wanted)
  same = [
    mmd2(normals(8, seed=i), normals(8, seed=10_000 + i)) for i in range(2000)
  ]
  assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(len(same))


def test_kolmogorov_smirnov_is_scipys():
  z = normals(200, 1, 0.2, 1.3)[:, 0]
  wanted = scipy.stats.kstest(z, 'norm').statistic
  assert kolmogorov_smirnov(z) == pytest.approx(wanted)


def test_draws_of_the_prior_are_at_the_level_of_no_difference():
  found = [fit_to_normal(normals(300, seed=s), seed=s + 100) for s in range(20)]
  within = [f['mmd2'] <= f['mmd2_null'] for f in found]
  assert np.mean(within) >= 0.8
  assert max(f['largest_mean'] for f in found) < 0.25
  assert all(0.85 < f['least_std'] <= f['largest_std'] < 1.15 for f in found)


@pytest.mark.parametrize(('mean', 'std'), [(1.0, 1.0), (0.0, 3.0), (0.0, 0.3)])
def test_other_codes_are_far_above_it_and_the_figures_say_why(mean, std):
  found = fit_to_normal(normals(300, 2, mean, std))
  assert found['mmd2'] > 5 * found['mmd2_null']
  assert found['largest_mean'] == pytest.approx(mean, abs=0.5)
  assert found['largest_std'] == pytest.approx(std, rel=0.2)
  assert found['worst_ks'] > 0.2


def test_the_fit_is_a_pure_function_that_looks_at_so_many_codes_only():
  z = normals(5000)
  assert fit_to_normal(z, most=50) == fit_to_normal(z, most=50)
  assert fit_to_normal(z, most=50) != fit_to_normal(z, most=60)


def test_constant_codes_and_a_single_one_have_finite_figures():
  for z in (np.zeros((32, 3)), np.zeros((1, 2))):
    assert all(np.isfinite(v) for v in fit_to_normal(z).values())


def test_codes_and_draws_are_compared_as_mmd2_compares_them():
  z, draws = normals(20, 3, 0.5), normals(60, 3, seed=1).reshape(3, 20, 3)
  ours, null = against_draws(z, draws)
  np.testing.assert_allclose(ours, [mmd2(z, d) for d in draws])
  pairs = [(0, 2), (1, 0), (2, 1)]
  wanted = [mmd2(draws[a], draws[b]) for a, b in pairs]
  np.testing.assert_allclose(null, wanted)

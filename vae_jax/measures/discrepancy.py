"""How far codes are from draws of N(0, I): host arrays to figures."""

import numpy as np


def fit_to_normal(
  z_NZ, seed: int = 0, most: int = 500, repeats: int = 40
) -> dict:
  """Of at most `most` codes: squared MMD to as many draws of N(0, I) and its
  95 % level where there is no difference, the largest |mean| and the least and
  largest standard deviation of an axis, and the worst Kolmogorov-Smirnov
  distance of an axis."""
  rng = np.random.default_rng(seed)
  z_NZ = np.asarray(z_NZ, np.float64)
  z_NZ = z_NZ[rng.permutation(len(z_NZ))[:most]]
  draws = rng.standard_normal((repeats, *z_NZ.shape))
  ours, null = against_draws(z_NZ, draws)
  std_Z = z_NZ.std(0)
  return {
    'mmd2': float(np.mean(ours)),
    'mmd2_null': float(np.quantile(null, 0.95)),
    'largest_mean': float(np.abs(z_NZ.mean(0)).max()),
    'least_std': float(std_Z.min()),
    'largest_std': float(std_Z.max()),
    'worst_ks': max(kolmogorov_smirnov(z_N) for z_N in z_NZ.T),
  }


def against_draws(z_NZ, draws):
  """mmd2 of the codes to each set of draws, and of each set to the one before:
  two lists of R."""
  width = np.sqrt(z_NZ.shape[1])
  own = _mean_of_pairs(z_NZ, width)
  own_R = [_mean_of_pairs(draw, width) for draw in draws]

  def between(x_NZ, y_NZ):
    return 2 * float(rbf(x_NZ, y_NZ, width).mean())

  ours = [own + own_R[r] - between(z_NZ, d) for r, d in enumerate(draws)]
  null = [
    own_R[r] + own_R[r - 1] - between(d, draws[r - 1])
    for r, d in enumerate(draws)
  ]
  return ours, null


def mmd2(x_NZ, y_MZ, bandwidth: float | None = None) -> float:
  """Unbiased squared maximum mean discrepancy (Gretton et al. 2012, eq. 3)
  under exp(-|x - y|^2 / (2 bandwidth^2)), by default with bandwidth^2 = Z.

  Around 0, so negative too, if both are of one distribution.
  """
  width = bandwidth or np.sqrt(x_NZ.shape[1])
  return (
    _mean_of_pairs(x_NZ, width)
    + _mean_of_pairs(y_MZ, width)
    - 2 * float(rbf(x_NZ, y_MZ, width).mean())
  )


def rbf(x_NZ, y_MZ, bandwidth: float):
  """exp(-|x - y|^2 / (2 bandwidth^2)) of all pairs: [N, M]."""
  squares = (x_NZ**2).sum(1)[:, None] + (y_MZ**2).sum(1) - 2 * x_NZ @ y_MZ.T
  return np.exp(-np.maximum(squares, 0) / (2 * bandwidth**2))


def _mean_of_pairs(x_NZ, bandwidth):
  # Without those of a point with itself, which are what makes it biased.
  n = len(x_NZ)
  return float(rbf(x_NZ, x_NZ, bandwidth).sum() - n) / max(n * (n - 1), 1)


def kolmogorov_smirnov(z_N) -> float:
  """Largest distance of the distribution function of z to that of N(0, 1)."""
  from scipy.special import ndtr

  cdf_N, n = ndtr(np.sort(z_N)), len(z_N)
  above = np.arange(1, n + 1) / n - cdf_N
  below = cdf_N - np.arange(n) / n
  return float(max(above.max(), below.max()))

"""What codes know of labels, neighbours and the prior: host arrays to figures.

Sets larger than the limits are subsampled evenly: [N, F] features, [N] labels.
"""

import contextlib
import functools
import io
import warnings

import numpy as np

from vae_jax import data


def knn_accuracy(
  train, test, k: int = 5, train_limit: int = 10_000, test_limit: int = 2000
) -> float:
  """Share of test codes whose k nearest training codes vote for their label;
  `train` and `test` are pairs (features, labels)."""
  count_cores()
  from sklearn.neighbors import KNeighborsClassifier

  x, y = data.spread_rows(train_limit, flat(train[0]), train[1])
  model = KNeighborsClassifier(min(k, len(x)), algorithm='brute').fit(x, y)
  x, y = data.spread_rows(test_limit, flat(test[0]), test[1])
  return float((model.predict(x) == y).mean())


def linear_probe(
  train, test, penalty: float = 1.0, train_limit=10_000, test_limit=10_000
) -> float:
  """Share of test codes that a logistic regression on the training codes
  classifies rightly; `penalty` is on half its squared weights.

  Codes are centred and divided by one number: to give each feature the same
  variance would raise the noise in the last principal components to the size
  of the first, and with few labels that decides.
  """
  count_cores()
  from sklearn.linear_model import LogisticRegression

  x, y = data.spread_rows(train_limit, flat(train[0]), train[1])
  x_test, y_test = data.spread_rows(test_limit, flat(test[0]), test[1])
  if len(np.unique(y)) < 2:  # nothing to tell apart
    return float((y_test == y[0]).mean())
  mean = x.mean(0)
  scale = float((x - mean).std()) or 1.0
  model = LogisticRegression(C=1 / penalty, max_iter=2000)
  model.fit((x - mean) / scale, y)
  return float((model.predict((x_test - mean) / scale) == y_test).mean())


def trustworthiness(images, codes, k: int = 12, limit: int = 1000) -> float:
  """How few of the codes' k nearest neighbours are none of the images' (Venna
  & Kaski 2001): 1 if all are, about 0.5 at random."""
  count_cores()
  from sklearn import manifold

  x, z = data.spread_rows(limit, flat(images), flat(codes))
  k = max(1, min(k, (len(x) - 1) // 2))
  return float(manifold.trustworthiness(x, z, n_neighbors=k))


@functools.cache
def count_cores():
  """Has joblib count the cores before scikit-learn asks: where /sys is missing,
  as in some containers, its first count warns and prints a traceback."""
  import joblib

  with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
    warnings.simplefilter('ignore')
    joblib.cpu_count(only_physical_cores=True)


def few_labels(label_N, count: int, seed: int = 0) -> np.ndarray:
  """Positions of `count` examples drawn as equally from the classes as can be,
  all of them if there are no more."""
  rng = np.random.default_rng(seed)
  order = rng.permutation(len(label_N))
  shuffled = np.asarray(label_N)[order]
  rank = np.empty(len(order), int)  # how many of its class come before each
  for y in np.unique(shuffled):
    mine = np.flatnonzero(shuffled == y)
    rank[mine] = np.arange(len(mine))
  return order[np.argsort(rank, kind='stable')[:count]]


def flat(x_N) -> np.ndarray:
  """[N, ...] -> [N, F]."""
  x_N = np.asarray(x_N)
  return x_N.reshape(len(x_N), -1)


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

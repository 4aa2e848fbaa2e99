"""What features know of labels and neighbours: host arrays to figures.

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


def tsne(z_NZ) -> np.ndarray:
  """The codes in the plane by t-SNE (van der Maaten & Hinton 2008): [N, 2]."""
  count_cores()
  from sklearn import manifold

  near = max(1.0, min(30.0, (len(z_NZ) - 1) / 3))
  model = manifold.TSNE(perplexity=near, init='pca', random_state=0)
  return model.fit_transform(z_NZ)

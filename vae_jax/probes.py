"""What codes know of labels and neighbours: host arrays to figures.

Sets larger than the limits are subsampled evenly: [N, F] features, [N] labels.
"""

import numpy as np

from vae_jax import data


def some(limit: int, *arrays):
  """At most `limit` rows, from all over, of arrays of equal length."""
  index = data.spread(len(arrays[0]), limit)
  return tuple(np.asarray(array)[index] for array in arrays)


def knn_accuracy(
  train, test, k: int = 5, train_limit: int = 10_000, test_limit: int = 2000
) -> float:
  """Share of test codes whose k nearest training codes vote for their label;
  `train` and `test` are pairs (features, labels)."""
  from sklearn.neighbors import KNeighborsClassifier

  x, y = some(train_limit, flat(train[0]), train[1])
  model = KNeighborsClassifier(min(k, len(x)), algorithm='brute').fit(x, y)
  x, y = some(test_limit, flat(test[0]), test[1])
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
  from sklearn.linear_model import LogisticRegression

  x, y = some(train_limit, flat(train[0]), train[1])
  x_test, y_test = some(test_limit, flat(test[0]), test[1])
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
  from sklearn import manifold

  x, z = some(limit, flat(images), flat(codes))
  k = max(1, min(k, (len(x) - 1) // 2))
  return float(manifold.trustworthiness(x, z, n_neighbors=k))


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

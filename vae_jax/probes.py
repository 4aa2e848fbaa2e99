"""What codes are good for: measures of host arrays [N, ...] with labels [N].

None of them depends on how codes are rotated, shifted or scaled as a whole, so
that codes of different kinds and sizes can be compared.
"""

import numpy as np


def knn_accuracy(train_codes, train_labels, test_codes, test_labels, k=5):
  """Share of test codes whose k nearest training codes vote for their label."""
  from sklearn.neighbors import KNeighborsClassifier

  k = min(k, len(train_codes))
  classifier = KNeighborsClassifier(k).fit(_rows(train_codes), train_labels)
  return float(classifier.score(_rows(test_codes), test_labels))


def linear_probe(
  train_codes, train_labels, test_codes, test_labels, strength=1.0
):
  """Test accuracy of a logistic regression on the codes, centred and divided by
  one number: strength is the inverse weight of its L2 penalty there."""
  from sklearn.linear_model import LogisticRegression

  if len(np.unique(train_labels)) == 1:
    return float((np.asarray(test_labels) == train_labels[0]).mean())
  train, test = in_span(_rows(train_codes), _rows(test_codes))
  # A scale of its own for each feature would raise the last components of a PCA
  # to the first ones' size: with few labels that is what decides.
  scale = train.std() or 1.0
  classifier = LogisticRegression(C=strength, max_iter=10_000)
  classifier.fit(train / scale, train_labels)
  return float(classifier.score(test / scale, test_labels))


def in_span(train_NP, test_MP):
  """Both, centred by train, as coordinates in the space that train spans: at
  most N or P. With an L2 penalty no weight leaves it, so nothing is lost."""
  mean_P = train_NP.mean(0)
  train_NP, test_MP = train_NP - mean_P, test_MP - mean_P
  if len(train_NP) >= train_NP.shape[1]:
    return train_NP, test_MP
  basis_PN = np.linalg.qr(train_NP.T)[0]
  return train_NP @ basis_PN, test_MP @ basis_PN


def trustworthiness(images, codes, k=5):
  """How far the k neighbours of each code are neighbours among the images too:
  1 if all are, about 0.5 for random codes (Venna & Kaski 2001)."""
  from sklearn import manifold

  # scikit-learn's bound, beyond which the measure is not defined.
  k = max(1, min(k, (len(codes) - 1) // 2))
  images, codes = _rows(images), _rows(codes)
  return float(manifold.trustworthiness(images, codes, n_neighbors=k))


def few_labels(label_N, count: int, seed: int = 0):
  """Positions of at most `count` random examples, sorted: as many of each class
  while there are any. A larger count adds to a smaller one's."""
  label_N = np.asarray(label_N)
  order = np.random.default_rng(seed).permutation(len(label_N))
  turn_N = np.empty(len(label_N), int)
  for y in np.unique(label_N):
    own = order[label_N[order] == y]
    turn_N[own] = np.arange(len(own))
  return np.sort(order[np.argsort(turn_N[order], kind='stable')][:count])


def labelled(batch, limit: int):
  """(images [n, H, W, C], labels [n]) of at most `limit` examples from all over
  a split, as host arrays."""
  count = min(limit, batch.size)
  few = batch.take(np.arange(count) * batch.size // count)
  return np.asarray(few.images()), np.asarray(few.label)


def _rows(x):
  return np.asarray(x, np.float64).reshape(len(x), -1)

"""Trivial rivals, fitted on the training set: what a model has to beat.

A baseline is (train, test) -> predictions [N, H, W, C] for test.seen, from two
Examples of host arrays. One that takes `components` is given the number of the
model's latents, where it is not told another.
"""

import functools
from typing import NamedTuple

import numpy as np

ROWS = 4096  # of a training set that PCA looks at at once


def noisy_input(train, test):
  """The input itself."""
  del train
  return test.seen


def gaussian_blur(train, test, sigmas=(0.5, 0.75, 1.0, 1.25, 1.5, 2.0)):
  """Gaussian blur, then one gain and offset; both and sigma fitted on train."""

  # Three numbers need no more examples than this.
  seen, wanted = train.seen[:1000], train.wanted[:1000].astype(np.float64)

  def fitted(sigma):
    x = _blur(seen, sigma).astype(np.float64)
    gain = ((x - x.mean()) * wanted).mean() / x.var()
    offset = wanted.mean() - gain * x.mean()
    error = ((gain * x + offset - wanted) ** 2).mean()
    return error, sigma, gain, offset

  _, sigma, gain, offset = min(fitted(sigma) for sigma in sigmas)
  return gain * _blur(test.seen, sigma) + offset


def _blur(x_NHWC, sigma):
  from scipy.ndimage import gaussian_filter

  return gaussian_filter(x_NHWC, (0, sigma, sigma, 0))


def pca(train, test, components: int | None = None):
  """Principal components of what is seen, all of them if not said, then the
  best linear map from them to what is wanted.

  Where seen is wanted, this is PCA reconstruction.
  """
  moments = _moments(_Same(train.seen, train.wanted))
  most = min(_rows(train.seen).shape)
  components = min(components or most, most)
  values, basis = _largest(moments.seen, components)
  # The codes are uncorrelated, so least squares needs no solver.
  scale = np.maximum(values, 1e-12)[:, None]
  linear = basis.T @ moments.both / scale
  # As the images are: in double precision it takes three times as long.
  basis, linear, mean_seen, mean_wanted = (
    np.asarray(x, np.float32)
    for x in (basis, linear, moments.mean_seen, moments.mean_wanted)
  )
  codes = (_rows(test.seen) - mean_seen) @ basis
  return (codes @ linear + mean_wanted).reshape(test.wanted.shape)


class _Same(NamedTuple):
  """Arrays as a key: the same ones, not equal ones."""

  seen: np.ndarray
  wanted: np.ndarray

  def __hash__(self):
    return id(self.seen)

  def __eq__(self, other):
    return self.seen is other.seen and self.wanted is other.wanted


class _Moments(NamedTuple):
  """Means, and sums of products of centred pixels: all that PCA looks at."""

  mean_seen: np.ndarray
  mean_wanted: np.ndarray
  seen: np.ndarray  # [P, P]
  both: np.ndarray  # [P, Q]


@functools.lru_cache(maxsize=1)  # a sweep asks once for each number of latents
def _moments(arrays: _Same) -> _Moments:
  seen, wanted = _rows(arrays.seen), _rows(arrays.wanted)
  mean_seen = seen.mean(0, np.float64)
  products = _products(seen, mean_seen, seen, mean_seen)
  if np.array_equal(seen, wanted):
    return _Moments(mean_seen, mean_seen, products, products)
  mean_wanted = wanted.mean(0, np.float64)
  both = _products(seen, mean_seen, wanted, mean_wanted)
  return _Moments(mean_seen, mean_wanted, products, both)


def _products(a, mean_a, b, mean_b):
  """Sums over the rows of products of centred columns: [P, Q]."""
  total = np.zeros((a.shape[1], b.shape[1]))
  # Pieces in single precision that stay in the cache, summed in double: half
  # the time, and off by 2e-6 of the largest sum for 60,000 digits.
  for i in range(0, len(a), ROWS):
    left = (a[i : i + ROWS] - mean_a).astype(np.float32)
    same = a is b
    right = left if same else (b[i : i + ROWS] - mean_b).astype(np.float32)
    total += left.T @ right
  return total


def _largest(products_PP, count: int):
  """The `count` largest eigenvalues, descending; their vectors [P, count]."""
  from scipy.linalg import eigh

  size = len(products_PP)
  values, vectors = eigh(products_PP, subset_by_index=(size - count, size - 1))
  return values[::-1], vectors[:, ::-1]


def principal_components(x_NP, count: int):
  """The `count` directions of largest variance as columns: [P, count]."""
  centred = (x_NP - x_NP.mean(0)).astype(np.float64)
  return _largest(centred.T @ centred, count)[1]


def ridge(
  train,
  test,
  alphas=(1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0),
):
  """Ridge regression from seen to wanted pixels; alpha chosen on a held-out
  tenth of train, then fitted on all of it."""
  x, y = _rows(train.seen), _rows(train.wanted)
  cut = max(1, len(x) // 10)
  predict = _ridge_path(x[cut:], y[cut:])
  errors = [((predict(x[:cut], a) - y[:cut]) ** 2).mean() for a in alphas]
  alpha = alphas[int(np.argmin(errors))]
  predicted = _ridge_path(x, y)(_rows(test.seen), alpha)
  return predicted.reshape(test.wanted.shape)


def _ridge_path(x, y):
  # One eigendecomposition serves every alpha.
  mean_x, mean_y = x.mean(0), y.mean(0)
  centred = x - mean_x
  values, vectors = np.linalg.eigh(centred.T @ centred)
  target = vectors.T @ (centred.T @ (y - mean_y))

  def predict(new, alpha):
    weights = vectors @ (target / (values + alpha)[:, None])
    return (new - mean_x) @ weights + mean_y

  return predict


def nearest(train, test):
  """Every pixel repeated until the size is that of what is wanted."""
  return _enlarged(train, test, 'nearest')


def bilinear(train, test):
  """Linear interpolation up to the size of what is wanted."""
  return _enlarged(train, test, 'linear')


def bicubic(train, test):
  """Cubic interpolation up to the size of what is wanted (Keys 1981)."""
  return _enlarged(train, test, 'cubic')


def lanczos(train, test):
  """Interpolation by a sinc in a window of three pixels each way."""
  return _enlarged(train, test, 'lanczos3')


def _enlarged(train, test, method):
  del train
  import jax

  # Pixels are areas, centres at (i + 0.5) / n: the corners of the small image
  # and of the large one coincide, as they do where the former is area means.
  shape = *test.wanted.shape[:3], test.seen.shape[3]
  return np.asarray(jax.image.resize(test.seen, shape, method))


def mean_image(train, test):
  """The mean training image, for every input."""
  mean_HWC = train.wanted.mean(0)
  return np.broadcast_to(mean_HWC, test.wanted.shape)


def _rows(x_NHWC):
  return x_NHWC.reshape(len(x_NHWC), -1)

"""Trivial rivals, fitted on the training set: what a model has to beat.

A baseline is (train, test) -> predictions [N, H, W, C] for test.seen, from two
Examples of host arrays. One that takes `components` is given the number of the
model's latents, where it is not told another.
"""

import functools
from typing import NamedTuple

import numpy as np

from vae_jax.data import spread

# Of images of more than WIDE numbers principal components are those of FEW, as
# a P x P matrix takes minutes: an SVD of 2,000 colour images of 64x64 takes 4 s
# of two CPU cores.
WIDE, FEW = 4096, 2000
PIECE = 4096  # rows at a time of which a copy is made


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
  mean_P, components_KP = _fitted_once(_Same(train.seen))
  basis = components_KP[: components or None].T
  seen, wanted = _rows(train.seen), _rows(train.wanted)
  if np.array_equal(seen, wanted):
    linear = basis.T
  else:  # what varies by rounding alone predicts nothing
    linear = np.linalg.pinv(_centred(seen, mean_P, basis), 1e-5) @ wanted
  codes = _centred(_rows(test.seen), mean_P, basis)
  return (codes @ linear + _mean(wanted)).reshape(test.wanted.shape)


def _centred(x_NP, mean_P, basis_PK):
  """(x - mean) @ basis, without a copy of x: [N, K]."""
  return x_NP @ basis_PK - mean_P @ basis_PK


class _Same(NamedTuple):
  """An array as a key: the same one, not an equal one."""

  x: np.ndarray

  def __hash__(self):
    return id(self.x)

  def __eq__(self, other):
    return self.x is other.x


@functools.lru_cache(maxsize=1)  # a sweep asks once for each number of latents
def _fitted_once(array: _Same):
  return _fitted(_rows(array.x))


def _fitted(x_NP):
  """The mean [P] and all principal components [min(N - 1, P), P], by a P x P
  matrix if there are many images: 361 faces of 112x92 took minutes so where
  their SVD takes 0.2 s."""
  if x_NP.shape[1] > WIDE:
    x_NP = x_NP[spread(len(x_NP), FEW)]
  n, p = x_NP.shape
  mean_P = _mean(x_NP)
  if n > p:
    # Ours, as scikit-learn's would copy the images, and again to centre them.
    vectors = np.linalg.eigh(_products(x_NP, mean_P, x_NP, mean_P))[1]
    return mean_P, vectors.T[::-1]
  right = np.linalg.svd(x_NP - mean_P, full_matrices=False)[2]
  return mean_P, right[: n - 1]


def _products(x_NP, mean_P, y_NQ, mean_Q):
  """(x - mean).T @ (y - mean), piece by piece: [P, Q]."""
  total = np.zeros((x_NP.shape[1], y_NQ.shape[1]))
  for start in range(0, len(x_NP), PIECE):
    piece = slice(start, start + PIECE)
    total += (x_NP[piece] - mean_P).T @ (y_NQ[piece] - mean_Q)
  return total.astype(x_NP.dtype)


def _mean(x_NP):
  """The mean row; a sum of 60,000 in single precision is off by 1e-5: [P]."""
  return x_NP.mean(0, np.float64).astype(x_NP.dtype)


def principal_components(x_NP, count: int):
  """The `count` directions of largest variance as columns: [P, count]."""
  # Examples repeated have the same components, and more than N - 1 of them.
  x_NP = np.tile(x_NP, (count // len(x_NP) + 1, 1))
  return _fitted(x_NP.astype(np.float64))[1][:count].T


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
  """(new [M, P], alpha) -> [M, Q] as ridge regression of y [N, Q] on x [N, P]
  predicts."""
  # Ours, as one eigendecomposition, of the smaller Gram matrix, serves every
  # alpha: 12,000 digits 0.8 s of a core, scikit-learn 1.8, its RidgeCV 6.0.
  mean_x, mean_y = _mean(x), _mean(y)
  if len(x) < x.shape[1]:
    centred = x - mean_x
    values, vectors = np.linalg.eigh(centred @ centred.T)
    basis, target = centred.T @ vectors, vectors.T @ (y - mean_y)
  else:
    values, basis = np.linalg.eigh(_products(x, mean_x, x, mean_x))
    target = basis.T @ _products(x, mean_x, y, mean_y)

  def predict(new, alpha):
    scaled = target / (values + alpha)[:, None]
    at_zero = mean_y - mean_x @ basis @ scaled
    return np.linalg.multi_dot((new, basis, scaled)) + at_zero

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

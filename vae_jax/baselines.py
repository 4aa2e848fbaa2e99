"""Trivial rivals, fitted on the training set: what a model has to beat.

A baseline is (ex, train, test) -> predictions [N, H, W, C] for test.seen, from
two Examples of host arrays.
"""

import numpy as np


def noisy_input(ex, train, test):
  """The input itself."""
  del ex, train
  return test.seen


def gaussian_blur(ex, train, test, sigmas=(0.5, 0.75, 1.0, 1.25, 1.5, 2.0)):
  """Gaussian blur, then one gain and offset; both and sigma fitted on train."""

  del ex
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


def pca(ex, train, test, components: int | None = None):
  """Principal components of what is seen, as many as the model has latents if
  not said, then the best linear map from them to what is wanted.

  Where seen is wanted, this is PCA reconstruction.
  """
  seen, wanted = _rows(train.seen), _rows(train.wanted)
  mean = seen.mean(0)
  components = min(components or ex.latents, *seen.shape)
  basis = principal_components(seen, components)
  codes = (seen - mean) @ basis
  # The codes are uncorrelated, so least squares needs no solver.
  scale = np.maximum((codes**2).sum(0), 1e-12)[:, None]
  linear = codes.T @ (wanted - wanted.mean(0)) / scale
  predicted = (_rows(test.seen) - mean) @ basis @ linear + wanted.mean(0)
  return predicted.reshape(test.wanted.shape)


def principal_components(x_NP, count: int):
  """The `count` directions of largest variance as columns: [P, count]."""
  from scipy.linalg import eigh

  centred = (x_NP - x_NP.mean(0)).astype(np.float64)
  size = x_NP.shape[1]
  _, vectors = eigh(
    centred.T @ centred, subset_by_index=(size - count, size - 1)
  )
  return vectors[:, ::-1]


def ridge(
  ex, train, test, alphas=(1.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
):
  """Ridge regression from seen to wanted pixels; alpha chosen on a held-out
  tenth of train, then fitted on all of it."""
  del ex
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


def mean_image(ex, train, test):
  """The mean training image, for every input."""
  del ex
  mean_HWC = train.wanted.mean(0)
  return np.broadcast_to(mean_HWC, test.wanted.shape)


def _rows(x_NHWC):
  return x_NHWC.reshape(len(x_NHWC), -1)

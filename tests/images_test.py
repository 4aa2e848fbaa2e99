import functools

import jax
import numpy as np
import pytest
import scipy.ndimage

from vae_jax.images import ssim


def images(seed, *shape):
  return np.random.default_rng(seed).random(shape, np.float32)


def ssim_by_scipy(a, b, size):
  blur = functools.partial(
    scipy.ndimage.gaussian_filter, sigma=1.5, radius=size // 2
  )
  edge = size // 2
  inside = slice(edge, -edge)

  def one(a, b):
    mean_a, mean_b = blur(a), blur(b)
    var_a = blur(a * a) - mean_a**2
    var_b = blur(b * b) - mean_b**2
    cov = blur(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    structure = (2 * cov + 9e-4) / (var_a + var_b + 9e-4)
    return (luminance * structure)[inside, inside].mean()

  a, b = a.astype(np.float64), b.astype(np.float64)
  channels = range(a.shape[-1])
  return [
    np.mean([one(x[..., c], y[..., c]) for c in channels])
    for x, y in zip(a, b, strict=True)
  ]


@pytest.mark.parametrize('shape, size', [((16, 13, 2), 11), ((6, 5, 1), 5)])
def test_ssim_agrees_with_scipy(shape, size):
  a = images(0, 3, *shape)
  b = np.clip(a + 0.2 * (images(1, 3, *shape) - 0.5), 0, 1)
  found = np.asarray(jax.jit(ssim)(a, b))
  np.testing.assert_allclose(found, ssim_by_scipy(a, b, size), rtol=1e-4)
  assert found.shape == (3,) and (0 < found).all() and (found < 1).all()


def test_ssim_is_one_for_equal_images_and_does_not_mind_the_order():
  a, b = images(0, 3, 16, 13, 2), images(1, 3, 16, 13, 2)
  similarity = jax.jit(ssim)
  np.testing.assert_allclose(similarity(a, a), np.ones(3), atol=1e-5)
  np.testing.assert_allclose(similarity(a, b), similarity(b, a), atol=1e-6)

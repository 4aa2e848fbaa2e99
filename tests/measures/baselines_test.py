import dataclasses
import functools

import jax
import numpy as np
import pytest
import scipy.ndimage
from PIL import Image
from sklearn import decomposition, kernel_ridge, linear_model

from vae_jax import data, networks, training
from vae_jax.factors import likelihoods, objectives, posteriors
from vae_jax.factors.views import Example
from vae_jax.measures import baselines
from vae_jax.training import replicate


def images(seed, n, *shape):
  """Images in [0, 1] whose pixels depend on each other."""
  rng = np.random.default_rng(seed)
  x = rng.standard_normal((n, 3)) @ np.random.default_rng(9).standard_normal(
    (3, np.prod(shape))
  )
  x = 1 / (1 + np.exp(-x - 0.3 * rng.standard_normal(x.shape)))
  return x.reshape(n, *shape).astype(np.float32)


def rows(x):
  return x.reshape(len(x), -1).astype(np.float64)


@pytest.fixture
def denoising():
  """(train, test) with noise in what is seen."""

  def example(seed, n):
    wanted = images(seed, n, 5, 4, 1)
    noise = np.random.default_rng(seed + 50).standard_normal(wanted.shape)
    return Example((wanted + 0.3 * noise).astype(np.float32), wanted)

  return example(0, 80), example(1, 20)


@pytest.fixture
def copying():
  """(train, test) where what is seen is wanted."""
  return tuple(
    Example(x, x) for x in (images(0, 80, 5, 4, 1), images(1, 20, 5, 4, 1))
  )


def test_pca_is_the_reconstruction_of_scikit_learn(tiny, copying):
  fit, test = copying
  pca = decomposition.PCA(4).fit(rows(fit.seen))
  wanted = pca.inverse_transform(pca.transform(rows(test.seen)))
  found = baselines.pca(fit, test, components=4)
  assert found.shape == test.wanted.shape
  np.testing.assert_allclose(rows(found), wanted, atol=1e-5)


def test_pca_of_noisy_images_maps_its_codes_to_clean_ones(tiny, denoising):
  fit, test = denoising
  pca = decomposition.PCA(4).fit(rows(fit.seen))
  linear = linear_model.LinearRegression()
  linear.fit(pca.transform(rows(fit.seen)), rows(fit.wanted))
  wanted = linear.predict(pca.transform(rows(test.seen)))
  found = baselines.pca(fit, test, components=4)
  np.testing.assert_allclose(rows(found), wanted, atol=1e-5)


def test_pca_with_all_components_is_exact(tiny, copying):
  for components in (None, 1000):
    found = baselines.pca(*copying, components=components)
    np.testing.assert_allclose(found, copying[1].wanted, atol=1e-4)


def test_principal_components_are_those_of_scikit_learn(copying):
  x = rows(copying[0].seen)
  basis = baselines.principal_components(x, 3)
  wanted = decomposition.PCA(3).fit(x).components_
  np.testing.assert_allclose(np.abs(wanted @ basis), np.eye(3), atol=1e-6)


@pytest.mark.parametrize('n', [3, 40])  # fewer images than pixels, and more
def test_principal_components_are_the_singular_vectors_of_numpy(n):
  x, y = (rows(images(seed, n, 5, 4, 1)) for seed in (0, 1))
  count = min(n - 1, 5)  # what three images differ in is a plane
  right = np.linalg.svd(x - x.mean(0))[2][:count].T
  basis = baselines.principal_components(x, count)
  np.testing.assert_allclose(np.abs(right.T @ basis), np.eye(count), atol=1e-8)
  wanted = (y - x.mean(0)) @ right @ right.T + x.mean(0)
  found = baselines.pca(*(Example(z, z) for z in (x, y)), components=5)
  np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_few_large_images_need_no_matrix_of_pixels_by_pixels():
  x, y = (rows(images(seed, 4, 500, 500, 1)) for seed in (0, 1))  # 500 GB
  mean = x.mean(0)
  right = np.linalg.svd(x - mean, full_matrices=False)[2][:2].T
  fit, test = Example(x, x), Example(y, y)
  wanted = (y - mean) @ right @ right.T + mean
  found = baselines.pca(fit, test, components=2)
  np.testing.assert_allclose(found, wanted, atol=1e-8)
  model = kernel_ridge.KernelRidge(alpha=30.0).fit(x - mean, x - mean)
  wanted = model.predict(y - mean) + mean
  found = baselines.ridge(fit, test, alphas=(30.0,))
  np.testing.assert_allclose(found, wanted, atol=1e-8)


@pytest.mark.parametrize('n', [1, 40])
def test_of_equal_images_principal_components_know_the_image(n):
  x = np.repeat(images(0, 1, 5, 4, 1), n, 0)
  noisy = images(1, n, 5, 4, 1)
  for fit, test in (
    (Example(x, x), Example(x, x)),
    (Example(x, x**2), Example(noisy, x**2)),
  ):
    found = baselines.pca(fit, test, components=3)
    np.testing.assert_allclose(found, test.wanted, atol=1e-6)
  basis = baselines.principal_components(rows(x), 3)  # more than one image has
  np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-6)


def test_what_varies_by_rounding_alone_is_no_component_to_predict_from():
  rng = np.random.default_rng(0)
  mixing = rng.random((2, 20))
  fit, test = (
    Example((z @ mixing).astype(np.float32), (z**3).astype(np.float32))
    for z in (rng.random((60, 2)), rng.random((30, 2)))
  )
  linear = linear_model.LinearRegression().fit(
    *(x.astype(float) for x in fit[:2])
  )
  found = baselines.pca(fit, test)
  np.testing.assert_allclose(found, linear.predict(test.seen), atol=1e-5)


def test_a_sweep_over_components_fits_once(copying, monkeypatch):
  fitted, fit = [], baselines._fitted

  def counted(x):
    fitted.append(x.shape)
    return fit(x)

  monkeypatch.setattr(baselines, '_fitted', counted)
  for components in (2, 4, 8):
    found = baselines.pca(*copying, components=components)
    pca = decomposition.PCA(components).fit(rows(copying[0].seen))
    wanted = pca.inverse_transform(pca.transform(rows(copying[1].seen)))
    np.testing.assert_allclose(rows(found), wanted, atol=1e-5)
  assert fitted == [(80, 20)]


@pytest.mark.parametrize('size', [1, 7, 80])
def test_baselines_are_the_same_whatever_is_copied_at_once(
  denoising, size, monkeypatch
):
  both = baselines.pca, baselines.ridge
  wanted = [f(*denoising) for f in both]
  monkeypatch.setattr(baselines, 'PIECE', size)
  baselines._fitted_once.cache_clear()
  for f, image in zip(both, wanted, strict=True):
    np.testing.assert_allclose(f(*denoising), image, atol=1e-5)


@pytest.mark.parametrize('n', [12, 80])  # fewer images than pixels, and more
def test_ridge_in_either_form_is_that_of_scikit_learn(n):
  (x, new), (y, _) = (
    (rows(images(seed, n, 5, 4, 1)), rows(images(seed + 1, 9, 5, 4, 1)))
    for seed in (0, 2)
  )
  for alpha in (1e-3, 20.0):
    wanted = linear_model.Ridge(alpha).fit(x, y).predict(new)
    found = baselines.ridge(
      Example(x, y), Example(new, wanted), alphas=(alpha,)
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize('alpha', [0.5, 20.0])
def test_ridge_is_that_of_scikit_learn(tiny, denoising, alpha):
  fit, test = denoising
  ridge = linear_model.Ridge(alpha).fit(rows(fit.seen), rows(fit.wanted))
  found = baselines.ridge(fit, test, alphas=(alpha,))
  assert found.shape == test.wanted.shape
  wanted = ridge.predict(rows(test.seen))
  np.testing.assert_allclose(rows(found), wanted, atol=1e-4)


def test_ridge_chooses_alpha_on_a_tenth_that_it_did_not_fit(tiny, denoising):
  fit, test = denoising
  x, y = rows(fit.seen), rows(fit.wanted)
  alphas = (1e-3, 1.0, 5.0, 25.0, 1e3)

  def error(alpha):
    ridge = linear_model.Ridge(alpha).fit(x[8:], y[8:])
    return ((ridge.predict(x[:8]) - y[:8]) ** 2).mean()

  alpha = min(alphas, key=error)
  assert alpha in alphas[1:-1]  # or the test tests nothing
  found = baselines.ridge(fit, test, alphas=alphas)
  wanted = linear_model.Ridge(alpha).fit(x, y).predict(rows(test.seen))
  np.testing.assert_allclose(rows(found), wanted, atol=1e-4)


def test_a_blur_with_its_gain_and_offset_is_found_again(tiny):
  fit, test = (
    Example(x, np.stack([0.7 * blurred(i) + 0.1 for i in x]))
    for x in (images(0, 20, 8, 6, 2), images(1, 5, 8, 6, 2))
  )
  found = baselines.gaussian_blur(fit, test)
  np.testing.assert_allclose(found, test.wanted, atol=1e-5)


def blurred(x_HWC):
  # Channel by channel: a blur that mixed channels or images would differ.
  blur = functools.partial(scipy.ndimage.gaussian_filter, sigma=1.25)
  return np.stack([blur(x_HWC[..., c]) for c in range(2)], -1)


def test_the_mean_image_is_the_best_constant(tiny, denoising):
  fit, test = denoising
  found = baselines.mean_image(fit, test)
  assert found.shape == test.wanted.shape
  wanted = np.broadcast_to(rows(fit.wanted).mean(0), (20, 20))
  np.testing.assert_allclose(rows(found), wanted, atol=1e-6)


def test_the_noisy_input_is_what_is_seen(tiny, denoising):
  found = baselines.noisy_input(*denoising)
  np.testing.assert_array_equal(found, denoising[1].seen)


@pytest.fixture
def enlarging():
  """(train, test) where what is wanted is three times as large, in colour."""

  def example(seed, n):
    wanted = images(seed, n, 12, 15, 2)
    blocks = wanted.reshape(n, 4, 3, 5, 3, 2)
    return Example(blocks.mean((2, 4)), wanted)

  return example(0, 80), example(1, 20)


@pytest.mark.parametrize('name', ['nearest', 'bilinear', 'bicubic', 'lanczos'])
def test_an_interpolation_is_that_of_pil(tiny, enlarging, name):
  test = enlarging[1]
  method = Image.Resampling[name.upper()]

  def resized(x_HW):
    return np.asarray(Image.fromarray(x_HW).resize((15, 12), method))

  wanted = [
    np.stack([resized(x[..., c]) for c in range(2)], -1) for x in test.seen
  ]
  found = getattr(baselines, name)(*enlarging)
  np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_interpolations_need_what_is_wanted_for_its_size_alone(tiny, enlarging):
  fit, test = enlarging
  blank = Example(test.seen, np.zeros_like(test.wanted))
  for baseline in (baselines.nearest, baselines.bicubic):
    found = baseline(fit, test)
    np.testing.assert_array_equal(found, baseline(None, blank))


def test_ridge_and_pca_enlarge_as_those_of_scikit_learn(tiny, enlarging):
  fit, test = enlarging
  ridge = linear_model.Ridge(2.0).fit(rows(fit.seen), rows(fit.wanted))
  found = baselines.ridge(*enlarging, alphas=(2.0,))
  assert found.shape == test.wanted.shape
  wanted = ridge.predict(rows(test.seen))
  np.testing.assert_allclose(rows(found), wanted, atol=1e-4)
  pca = decomposition.PCA(4).fit(rows(fit.seen))
  linear = linear_model.LinearRegression()
  linear.fit(pca.transform(rows(fit.seen)), rows(fit.wanted))
  found = baselines.pca(*enlarging, components=4)
  assert found.shape == test.wanted.shape
  wanted = linear.predict(pca.transform(rows(test.seen)))
  np.testing.assert_allclose(rows(found), wanted, atol=1e-5)


def test_a_linear_autoencoder_finds_what_pca_finds(tiny):
  x = np.rint(255 * images(0, 64, 4, 4, 1)).astype(np.uint8)
  batch = data.Batch(x.reshape(64, 16), None, (4, 4, 1))
  ex = dataclasses.replace(
    tiny,
    network=functools.partial(networks.mlp, widths=()),
    posterior=posteriors.point,
    likelihood=likelihoods.normal,
    objective=objectives.reconstruction,
    latents=2,
    learning_rate=0.01,
  )
  devices = jax.local_devices()[:1]
  hyper = ex.hyper()
  init = jax.jit(
    lambda batch: training.init(jax.random.key(0), ex, hyper, batch)
  )
  call = training.over_devices(
    functools.partial(training.steps, ex), devices=devices
  )
  index = np.tile(np.arange(64, dtype=np.int32), (1, 1500, 1))
  placed = replicate((batch, hyper, init(batch)), devices)
  state, _ = call(*placed, index)
  params = jax.device_get(state.params)
  images_NHWC = np.asarray(batch.images())
  example = Example(images_NHWC, images_NHWC)
  found = ex.model(batch).reconstruct(params, images_NHWC)
  best = baselines.pca(example, example, components=2)
  error, least = (((p - images_NHWC) ** 2).mean() for p in (found, best))
  # Eckart and Young: no linear map of this rank does better.
  assert least * (1 - 1e-4) < error < 1.01 * least

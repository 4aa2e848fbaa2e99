import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from vae_jax import data, evaluate, objectives, views
from vae_jax.train import State, example_keys

MEASURES = (
  evaluate.elbo,
  evaluate.quality,
  evaluate.active_latents,
)


@pytest.fixture
def ex(tiny):
  """A model with noise in its view as well as in its posterior."""
  return dataclasses.replace(tiny, view=views.noisy, measures=MEASURES)


@pytest.fixture
def test_split(tiny_data):
  return tiny_data['test']


@pytest.fixture
def state(ex, test_split):
  """A state with random parameters; the second latent's mean is constant."""
  rng, key = np.random.default_rng(0), jax.random.key(0)
  model = ex.model(test_split)
  example = jax.eval_shape(lambda: views.clean(test_split, None, None))
  shapes = jax.eval_shape(model.init, key, example)
  params = jax.tree.map(
    lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), shapes
  )
  params['encoder']['z_mean']['kernel'] *= np.float32([1, 0, 1])
  # Measures look at nothing else of a state.
  return State(np.int32(0), np.int32(0), params, (), jax.random.key(1))


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
  found = np.asarray(jax.jit(evaluate.ssim)(a, b))
  np.testing.assert_allclose(found, ssim_by_scipy(a, b, size), rtol=1e-4)
  assert found.shape == (3,) and (0 < found).all() and (found < 1).all()


def test_ssim_is_one_for_equal_images_and_does_not_mind_the_order():
  a, b = images(0, 3, 16, 13, 2), images(1, 3, 16, 13, 2)
  ssim = jax.jit(evaluate.ssim)
  np.testing.assert_allclose(ssim(a, a), np.ones(3), atol=1e-5)
  np.testing.assert_allclose(ssim(a, b), ssim(b, a), atol=1e-6)


def test_psnr_is_ten_decibels_for_a_tenth():
  assert evaluate.psnr(1.0) == 0.0
  np.testing.assert_allclose(evaluate.psnr(0.1), 10.0)
  np.testing.assert_allclose(evaluate.psnr(0.01), 20.0)
  assert evaluate.psnr(0.0) == 120.0


def test_the_quality_of_images_is_that_of_what_can_be_shown():
  wanted = np.ones((2, 6, 5, 1), np.float32)
  above = evaluate.image_quality(wanted * 1.5, wanted)
  np.testing.assert_array_equal(above['mse'], np.zeros(2))
  below = evaluate.image_quality(wanted * 0.5, wanted)
  np.testing.assert_array_equal(below['mse'], np.full(2, 0.25))


def measured(ex, measures, split, state, devices, batch_size):
  placed = data.replicate((split, ex.hyper(), state), devices)
  return evaluate.over(ex, measures, devices, batch_size)(*placed)


def test_measures_of_a_split_are_plain_means_on_any_devices(
  ex, test_split, state
):
  found = [
    measured(ex, MEASURES, test_split, state, devices, batch_size=3)
    for devices in (jax.local_devices()[:1], jax.local_devices())
  ]
  hyper = ex.hyper()

  @jax.jit
  def values(state):
    key = evaluate.evaluation_key(state)
    key_view, key_latent = jax.random.split(key)
    model = ex.model(test_split)
    example = ex.view(test_split, example_keys(key_view, 10), hyper)
    key_B = example_keys(key_latent, 10)
    both = {}
    for measure in MEASURES:
      both |= measure(model, state.params, example, key_B, hyper)
    return both

  value_B = {k: np.asarray(v, np.float64) for k, v in values(state).items()}
  variance_Z = value_B.pop('z_mean').var(0)
  del value_B['z_mean_square']
  wanted = {name: v.mean() for name, v in value_B.items()}
  assert all(v.shape == (10,) for v in value_B.values())
  wanted['psnr_db'] = -10 * np.log10(wanted['mse'])
  wanted['active_units'] = (variance_Z > 0.01).sum()
  assert wanted['active_units'] == 2
  for figures in found:
    assert set(figures) == set(wanted)
    for name, figure in figures.items():
      np.testing.assert_allclose(figure, wanted[name], rtol=1e-5)


def checksum(model, params, example, key_B, hyper):
  """Says whether each example met the noise that is its own."""
  del model, params, key_B, hyper
  return {'checksum': (example.seen * example.wanted).sum((1, 2, 3))}


def test_the_examples_are_the_images_that_the_measures_saw(
  ex, test_split, state
):
  devices = jax.local_devices()
  figures = measured(ex, (checksum,), test_split, state, devices, 2)
  key = evaluate.evaluation_key(state)
  example = evaluate.examples(ex, test_split, ex.hyper(), key)
  seen, wanted = np.asarray(example.seen), np.asarray(example.wanted)
  mean = (seen * wanted).sum((1, 2, 3)).mean()
  np.testing.assert_allclose(figures['checksum'], mean, rtol=1e-6)
  np.testing.assert_allclose(wanted, test_split.images(), rtol=1e-6)
  assert (seen != wanted).any((1, 2, 3)).all()


def test_every_test_of_a_run_draws_the_same_noise(ex, test_split, state):
  devices = jax.local_devices()[:1]
  measure = evaluate.over(ex, (checksum,), devices, batch_size=10)

  def figure(state):
    return measure(*data.replicate((test_split, ex.hyper(), state), devices))

  first = figure(state)
  assert figure(state.replace(step=np.int32(7))) == first
  assert figure(state.replace(key=jax.random.key(5))) != first


def test_names_are_those_of_the_figures(ex, test_split, state):
  devices = jax.local_devices()[:1]
  ex = dataclasses.replace(ex, measures=(*MEASURES, evaluate.reconstruction))
  figures = measured(ex, ex.measures, test_split, state, devices, 10)
  assert sorted(evaluate.names(ex, test_split)) == sorted(figures)
  assert set(figures) == {
    'nelbo_nats',
    'nll_nats',
    'kl_nats',
    'nll_nats_per_pixel',
    'mse',
    'ssim',
    'psnr_db',
    'active_units',
  }


@pytest.mark.parametrize(
  'n, devices, size',
  [(10, 4, 3), (10, 1, 3), (101, 4, 8), (8, 2, 4), (1, 4, 5)],
)
def test_a_padded_index_has_every_example_once(n, devices, size):
  index = evaluate.padded_index(n, devices, size)
  assert index.shape[0] == devices and index.shape[2] == size
  assert index.size - n < devices * size
  real = index[index >= 0]
  np.testing.assert_array_equal(np.sort(real), np.arange(n))
  assert (index[index < 0] == -1).all()


def test_active_units_are_those_whose_mean_varies_enough():
  z_BZ = np.array([[0.0, 5.0, -0.09], [0.3, 5.0, 0.09]])
  means = {'z_mean': z_BZ.mean(0), 'z_mean_square': (z_BZ**2).mean(0)}
  # Variances 0.0225, 0 and 0.0081, against Burda's 0.01.
  assert evaluate.derived(means) == {'active_units': 1}


def test_the_psnr_is_of_the_pooled_error():
  figures = evaluate.derived({'mse': np.float32(0.01)})
  assert set(figures) == {'mse', 'psnr_db'}
  np.testing.assert_allclose(figures['psnr_db'], 20.0, rtol=1e-6)


def test_the_measured_elbo_is_what_the_objective_minimises(ex):
  calls = []
  model = types.SimpleNamespace(
    infer=lambda *a: (None, jnp.array([[1.0, 2.0], [0.5, 0.0]])),
    encode=lambda *a: types.SimpleNamespace(mean=None),
    decode=lambda params, z, given, **rest: calls.append(rest),
    log_likelihood=lambda outputs, wanted: jnp.array([-4.0, -8.0]),
  )
  example = views.Example(None, jnp.zeros((2, 6, 5, 2)), None)
  hyper = ex.hyper()
  value_B = evaluate.elbo(model, {}, example, None, hyper)
  np.testing.assert_array_equal(value_B['nelbo_nats'], [7.0, 8.5])
  _, metrics = objectives.elbo(model, {}, example, None, hyper)
  for name, value in value_B.items():
    assert value.shape == (2,)
    np.testing.assert_allclose(value.mean(), metrics[name])
  value_B = evaluate.reconstruction(model, {}, example, None, hyper)
  np.testing.assert_array_equal(value_B['nll_nats'], [4.0, 8.0])
  wanted = np.float32([4.0, 8.0]) / 60
  np.testing.assert_allclose(value_B['nll_nats_per_pixel'], wanted)
  # A likelihood without its teacher would be no likelihood.
  assert len(calls) == 3
  assert all(call['teacher'] is example.wanted for call in calls)


def test_the_noise_of_tests_meets_no_steps():
  # Steps are int32: they stay below 2 ** 31.
  assert evaluate.EVALUATION >= 2**31 and evaluate.BASELINES >= 2**31
  assert evaluate.EVALUATION != evaluate.BASELINES

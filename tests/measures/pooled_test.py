import dataclasses
import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import config, data, networks, training
from vae_jax.factors import objectives, views
from vae_jax.images import image_quality, inconsistency, psnr, whole_factor
from vae_jax.measures import examples as ours
from vae_jax.measures import per_example, pooled
from vae_jax.training import State, replicate
from vae_jax.training.devices import OneRun
from vae_jax.training.step import example_keys


def checksum(model, params, example, key_B):
  """Says whether each example met the noise that is its own."""
  del model, params, key_B
  return {'checksum': (example.seen * example.wanted).sum((1, 2, 3))}


def uniform(name, model, params, example, key_B):
  """A measure that draws, under any name."""
  del model, params, example
  return {name: jax.vmap(jax.random.uniform)(key_B)}


# Noise in the view as well as in the posterior.
EX = config.Experiment(
  view=views.noisy,
  network=functools.partial(networks.mlp, widths=(8,)),
  latents=3,
  measures=(
    per_example.quality,
    per_example.active_latents,
    per_example.kl_per_latent,
    checksum,
    functools.partial(uniform, 'one'),
    functools.partial(uniform, 'two'),
  ),
)


@pytest.fixture(scope='module')
def split():
  """Ten small images: batches of three need padding."""
  x = np.random.default_rng(0).integers(0, 256, (10, 60), dtype=np.uint8)
  return data.Batch(x, None, shape=(6, 5, 2))


@pytest.fixture(scope='module')
def state(split):
  """A state with random parameters; the second latent's mean is constant."""
  rng = np.random.default_rng(0)
  model = EX.model(split)
  example = jax.eval_shape(lambda: views.clean(split, None))
  shapes = jax.eval_shape(model.init, jax.random.key(0), example)
  params = jax.tree.map(
    lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), shapes
  )
  params['encoder']['z_mean']['kernel'] *= np.float32([1, 0, 1])
  # Measures look at nothing else of a state.
  return State(np.int32(0), np.int32(0), params, (), jax.random.key(1))


@pytest.fixture(scope='module')
def figures(split, state):
  """The pooled figures of the split on one device and on four."""
  found = []
  for devices in (jax.local_devices()[:1], jax.local_devices()):
    placed = replicate((split, EX.hyper(), state), devices)
    over = pooled.means(EX, EX.measured(), OneRun(devices), batch_size=3)
    found += over(*placed)
  return found


@pytest.fixture(scope='module')
def examples(split, state):
  """The whole split as the measures saw it."""
  key = ours.evaluation_key(state)
  return ours.on_host(EX, split, EX.hyper(), key)


def test_psnr_is_ten_decibels_for_a_tenth():
  assert psnr(1.0) == 0.0
  np.testing.assert_allclose(psnr(0.1), 10.0)
  np.testing.assert_allclose(psnr(0.01), 20.0)
  assert psnr(0.0) == 120.0


def test_the_quality_of_images_is_that_of_what_can_be_shown():
  wanted = np.ones((2, 6, 5, 1), np.float32)
  quality = jax.jit(image_quality)
  above = quality(wanted * 1.5, wanted)
  np.testing.assert_array_equal(above['mse'], np.zeros(2))
  below = quality(wanted * 0.5, wanted)
  np.testing.assert_array_equal(below['mse'], np.full(2, 0.25))


@pytest.mark.slow
def test_measures_of_a_split_are_plain_means_on_any_devices(
  split, state, figures, examples
):
  @jax.jit
  def values(params, key_B):
    model, both = EX.model(split), {}
    for i, measure in enumerate(EX.measured()):
      own_B = jax.vmap(jax.random.fold_in, (0, None))(key_B, i)
      both |= measure(model, params, examples, own_B)
    return both

  _, key_latent = jax.random.split(ours.evaluation_key(state))
  key_B = example_keys(key_latent, 10)
  value_B = jax.device_get(values(state.params, key_B))
  variance_Z = value_B.pop('z_mean').var(0)
  del value_B['z_mean_square']
  kl_BZ = value_B.pop('kl_per_latent_nats')
  assert all(value.shape == (10,) for value in value_B.values())
  wanted = {name: value.mean() for name, value in value_B.items()}
  wanted['psnr_db'] = -10 * np.log10(wanted['mse'])
  wanted['active_units'] = (variance_Z > 0.01).sum()
  assert wanted['active_units'] == 2
  wanted['kl_per_latent_nats'] = kl_BZ.mean(0)
  np.testing.assert_allclose(kl_BZ.sum(1), value_B['kl_nats'], rtol=1e-5)
  for found in figures:
    assert set(found) == set(wanted)
    for name, figure in found.items():
      np.testing.assert_allclose(figure, wanted[name], rtol=1e-5)


def test_the_examples_are_the_images_that_the_measures_saw(
  split, figures, examples
):
  seen, wanted, _ = examples
  mean = (seen * wanted).sum((1, 2, 3)).mean()
  for found in figures:
    np.testing.assert_allclose(found['checksum'], mean, rtol=1e-5)
  np.testing.assert_allclose(wanted, split.images(), rtol=1e-6)
  assert (seen != wanted).any((1, 2, 3)).all()


def test_every_measure_draws_noise_of_its_own(figures):
  for found in figures:
    assert found['one'] != found['two']


def test_names_are_those_of_the_figures(split, figures):
  names = list(pooled.shapes(EX, split))
  assert sorted(names) == sorted(figures[0])
  assert {'nelbo_nats', 'psnr_db', 'active_units'} < set(names)


def moments(model, params, example, key_B):
  """Figures of several shapes under names of the user's own."""
  del key_B
  z_BZ = model.encode(params, example.seen, example.given).mean
  both = jnp.stack([z_BZ, z_BZ**2], 1)
  return {'z_mean': z_BZ, 'moments': both, 'first': z_BZ[:, 0]}


def test_a_measure_of_any_shape_is_a_figure_under_its_name(
  split, state, examples
):
  layout = OneRun(jax.local_devices())
  args = replicate((split, EX.hyper(), state))
  [found] = pooled.means(EX, (moments,), layout, batch_size=3)(*args)
  model = EX.model(split)
  z_NZ = np.asarray(model.encode(state.params, examples.seen).mean)
  wanted = np.stack([z_NZ, z_NZ**2], 1).mean(0)
  np.testing.assert_allclose(found['moments'], wanted, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(found['z_mean'], wanted[0], rtol=1e-5, atol=1e-6)
  assert found['first'] == pytest.approx(wanted[0, 0], rel=1e-5, abs=1e-6)
  ex = dataclasses.replace(EX, measures=(moments,))
  z = model.latents
  assert pooled.shapes(ex, split) == {
    'loss': (), 'nelbo_nats': (), 'nll_nats': (), 'kl_nats': (),
    'z_mean': (z,), 'moments': (2, z), 'first': (),
  }  # fmt: skip


def test_padding_is_cut_from_figures_of_any_shape():
  values = {'a': 1.5, 'b': [1, 2, 3], 'c': [[1, 2, 3], [4, 5, 6]]}
  own = {'a': (), 'b': (2,), 'c': (2, 1)}
  assert pooled.unpadded(values, own) == {
    'a': 1.5,
    'b': [1, 2],
    'c': [[1], [4]],
  }


def test_every_test_of_a_run_draws_the_same_noise(split, state):
  devices = jax.local_devices()[:1]
  over = pooled.means(EX, (checksum,), OneRun(devices), batch_size=10)

  def figure(state):
    return over(*replicate((split, EX.hyper(), state), devices))

  first = figure(state)
  assert figure(state.replace(step=np.int32(7))) == first
  assert figure(state.replace(key=jax.random.key(5))) != first


@pytest.mark.parametrize(
  'n, devices, size',
  [(10, 4, 3), (10, 1, 3), (101, 4, 8), (8, 2, 4), (1, 4, 5)],
)
def test_a_padded_index_has_every_example_once(n, devices, size):
  index = pooled.padded_index(n, devices, size)
  assert index.shape[0] == devices and index.shape[2] == size
  assert index.size - n < devices * size
  real = index[index >= 0]
  np.testing.assert_array_equal(np.sort(real), np.arange(n))
  assert (index[index < 0] == -1).all()


def test_active_units_are_those_whose_mean_varies_enough():
  z_BZ = np.array([[0.0, 5.0, -0.09], [0.3, 5.0, 0.09]])
  means = {'z_mean': z_BZ.mean(0), 'z_mean_square': (z_BZ**2).mean(0)}
  # Variances 0.0225, 0 and 0.0081, against Burda's 0.01.
  assert pooled.derived(means) == {'active_units': 1}


def test_a_kl_that_does_not_factorise_has_no_parts():
  model = types.SimpleNamespace(
    latents=3, infer=lambda *a: (None, jnp.ones((2, 1)))
  )
  assert per_example.kl_per_latent(model, {}, None, None) == {}


def test_the_psnr_is_of_the_pooled_error():
  figures = pooled.derived({'mse': np.float32(0.01)})
  assert set(figures) == {'mse', 'psnr_db'}
  np.testing.assert_allclose(figures['psnr_db'], 20.0, rtol=1e-6)


def test_the_first_to_tell_a_figure_is_believed(split, state):
  """A measure that is an objective too has a loss of its own."""
  own = functools.partial(objectives.elbo, beta=3.0)
  ex = dataclasses.replace(EX, objective=own, measures=(objectives.sparse,))
  layout = OneRun(jax.local_devices()[:1])
  args = replicate((split, ex.hyper(), state), layout.devices)
  [found] = pooled.means(ex, ex.measured(), layout, batch_size=10)(*args)
  loss = found['nll_nats'] + 3 * found['kl_nats']
  assert found['loss'] == pytest.approx(loss, rel=1e-5)
  assert 'mean_activation' in found


def distances(model, params, example, key_B):
  """An objective that compares the examples of a batch, all with all."""
  del key_B
  z_BZ = model.gather(model.encode(params, example.seen).mean)
  return {'loss': ((z_BZ[:, None] - z_BZ[None]) ** 2).mean((1, 2))}


def test_what_compares_examples_is_given_full_batches(split, state):
  """Of 4, 4, and 2 with two of the first again, wherever they lie."""
  ex = dataclasses.replace(EX, view=views.clean, objective=distances)
  found = []
  for devices in (jax.local_devices()[:1], jax.local_devices()):
    args = replicate((split, ex.hyper(), state), devices)
    over = pooled.means(ex, (distances,), OneRun(devices), batch_size=4)
    found += over(*args)
  model, x = ex.model(split), split.images()
  z_NZ = np.asarray(model.encode(state.params, x).mean)
  parts = z_NZ[:4], z_NZ[4:8], z_NZ[[8, 9, 2, 3]]
  each = [
    ((z[:, None] - z[None]) ** 2).mean((1, 2)) for z in map(np.asarray, parts)
  ]
  wanted = np.concatenate(each)[:10].mean()
  for one in found:
    assert one['loss'] == pytest.approx(wanted, rel=1e-5)


def test_an_objective_without_a_loss_for_each_example_is_refused(split):
  def mean(model, params, example, key_B):
    values = objectives.elbo(model, params, example, key_B)
    return values | {'loss': values['loss'].mean()}

  for objective in (mean, per_example.quality):
    ex = dataclasses.replace(EX, objective=objective)
    with pytest.raises(TypeError, match='does not return.*a loss for each'):
      pooled.shapes(ex, split)


def test_the_noise_of_tests_meets_no_steps():
  # Steps are int32: they stay below 2 ** 31.
  assert ours.EVALUATION >= 2**31 and ours.BASELINES >= 2**31
  assert ours.EVALUATION != ours.BASELINES


@pytest.mark.slow
def test_a_split_on_the_host_gives_the_same_figures_piece_by_piece(
  tiny, batch, monkeypatch
):
  ex = dataclasses.replace(tiny, view=views.noisy)
  measures = (objectives.elbo, per_example.quality)
  devices, hyper = jax.local_devices(), ex.hyper()
  state = training.init(jax.random.key(0), ex, hyper, batch)
  placed, hyper, state = replicate((batch, hyper, state), devices)
  measure = pooled.means(ex, measures, OneRun(devices), batch_size=2)
  [whole] = measure(placed, hyper, state)
  # 26 examples in pieces of 10: the last one is padded.
  monkeypatch.setattr(pooled.portions, '__defaults__', (10,))
  host = jax.tree.map(np.asarray, batch)
  assert len(list(pooled.portions(host, 4, 2))) == 3
  [found] = measure(host, hyper, state)
  assert found == pytest.approx(whole, rel=1e-5)


def test_consistency_is_of_the_image_made_small_against_what_was_seen():
  rng = np.random.default_rng(0)
  image = rng.uniform(-0.3, 1.3, (3, 4, 6, 2)).astype(np.float32)
  seen = rng.random((3, 2, 3, 2), np.float32)
  model = types.SimpleNamespace(reconstruct=lambda params, seen, given: image)
  example = views.Example(seen, np.zeros_like(image))
  value_B = per_example.consistency(model, {}, example, None)
  blocks = np.clip(image, 0, 1).reshape(3, 2, 2, 3, 2, 2).mean((2, 4))
  wanted = ((blocks - seen) ** 2).mean((1, 2, 3))
  assert set(value_B) == {'consistency_mse'}
  np.testing.assert_allclose(value_B['consistency_mse'], wanted, rtol=1e-5)
  figures = pooled.derived({'consistency_mse': wanted.mean()})
  psnr = -10 * np.log10(wanted.mean())
  np.testing.assert_allclose(figures['consistency_db'], psnr, rtol=1e-6)


def test_pixels_repeated_are_consistent_with_what_was_seen():
  seen = np.random.default_rng(0).random((3, 2, 3, 2), np.float32)
  image = seen.repeat(4, 1).repeat(4, 2)
  found = inconsistency(image, seen)
  np.testing.assert_allclose(found, np.zeros(3), atol=1e-12)


@pytest.mark.parametrize('large', [(3, 5, 6, 1), (3, 4, 9, 1), (3, 1, 1, 1)])
def test_consistency_needs_one_whole_factor(large):
  with pytest.raises(ValueError, match='not a whole number of times'):
    whole_factor((3, 2, 3, 1), large)
  assert whole_factor((3, 2, 3, 1), (3, 4, 6, 1)) == 2


def codes(rows):
  """A model whose codes are these."""
  z_BZ = jnp.asarray(rows, jnp.float32)
  return types.SimpleNamespace(
    encode=lambda params, seen, given: types.SimpleNamespace(mean=z_BZ),
    active=z_BZ.shape[1],
  )


def test_sparseness_is_hoyers_and_counts_what_is_not_zero():
  rows = [[2, 2, -2, 2], [0, 0, -3, 0], [0, 0, 0, 0], [3, 4, 0, 0]]
  example = views.Example(None, None)
  found = per_example.sparseness(codes(rows), {}, example, None)
  np.testing.assert_allclose(found['mean_activation'], [2, 0.75, 0, 1.75])
  np.testing.assert_allclose(found['active_share'], [1, 0.25, 0, 0.5])
  # The last by hand: (2 - 7 / 5) / (2 - 1).
  wanted = [0, 1, 0, 0.6]
  np.testing.assert_allclose(found['hoyer_sparseness'], wanted, atol=1e-6)


def test_only_the_mean_activation_sees_the_scale_of_a_code():
  rows = np.maximum(np.random.default_rng(0).standard_normal((6, 8)), 0)
  example = views.Example(None, None)
  one, ten = (
    per_example.sparseness(codes(c * rows), {}, example, None) for c in (1, 10)
  )
  np.testing.assert_allclose(
    ten['mean_activation'], 10 * one['mean_activation'], rtol=1e-6
  )
  for name in ('active_share', 'hoyer_sparseness'):
    np.testing.assert_allclose(ten[name], one[name], rtol=1e-5)

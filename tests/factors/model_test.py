import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import networks
from vae_jax.factors import likelihoods, objectives, posteriors, priors, views
from vae_jax.factors.divergences import kl
from vae_jax.factors.model import PRECISIONS, WholeBatch


def keys(n):
  # Not through fold_in, which costs a compilation for every size.
  data = [[0, i] for i in range(n)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def labelled(batch, key_B):
  del key_B
  given_BY = jax.nn.one_hot(batch.label, 3)
  return views.Example(batch.images(), batch.images(), given_BY)


def example_of(ex, batch, n=4):
  return ex.view(batch.take(np.arange(n)), None)


def parameters(model, example, seed=0):
  rng = np.random.default_rng(seed)
  shapes = jax.eval_shape(model.init, jax.random.key(0), example)
  return jax.tree.map(
    lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), shapes
  )


@pytest.fixture
def bound(tiny, batch):
  """(model, params, example) of the tiny VAE and four examples."""
  model, example = tiny.model(batch), example_of(tiny, batch)
  return model, parameters(model, example), example


@pytest.mark.parametrize('size', [1, 2])
def test_every_function_of_a_model_has_the_shape_it_says(tiny, batch, size):
  ex = dataclasses.replace(
    tiny,
    likelihood=functools.partial(
      likelihoods.normal, sigma=None if size == 2 else 1.0
    ),
  )
  model, example = ex.model(batch), example_of(ex, batch)
  image = (4, 6, 5, 2)

  def run():
    params = model.init(jax.random.key(0), example)
    q = model.encode(params, example.seen)
    z_BZ, kl_BG = model.infer(params, example, keys(4))
    outputs = model.decode(params, z_BZ)
    return {
      'heads': (q.z_mean, q.z_log_sigma),
      'infer': (z_BZ, kl_BG),
      'decode': outputs,
      'log p': model.log_likelihood(outputs, example.wanted),
      'reconstruct': model.reconstruct(params, example.seen),
      'generate': model.generate(params, keys(4)),
    }

  found = jax.tree.map(lambda leaf: leaf.shape, jax.eval_shape(run))
  assert found == {
    'heads': ((4, 3), (4, 3)),
    'infer': ((4, 3), (4, 3)),
    'decode': (4, 6, 5, 2 * size),
    'log p': (4,),
    'reconstruct': image,
    'generate': image,
  }


def test_init_is_a_pure_function_of_the_key_and_no_key_serves_twice(
  tiny, batch
):
  # Square layers of equal shape, so that a shared key would show.
  ex = dataclasses.replace(
    tiny, latents=60, network=functools.partial(networks.mlp, widths=(60,))
  )
  model, example = ex.model(batch), example_of(ex, batch)
  init = jax.jit(lambda seed: model.init(jax.random.key(seed), example))
  first, again, other = init(0), init(0), init(1)
  assert set(first) == {'encoder', 'decoder'}
  for a, b in zip(*map(jax.tree.leaves, (first, again)), strict=True):
    np.testing.assert_array_equal(a, b)
  leaves = jax.tree.leaves((first, other))
  kernels = [np.asarray(leaf) for leaf in leaves if leaf.ndim == 2]
  assert [kernel.shape for kernel in kernels] == 10 * [(60, 60)]
  assert len({float(kernel[0, 0]) for kernel in kernels}) == 10


CASES = {
  'mlp, labelled': {
    'network': functools.partial(networks.mlp, widths=(4,)),
    'view': labelled,
  },
  'conv, point': {
    'network': functools.partial(networks.conv, widths=(2,), dense=4),
    'posterior': posteriors.point,
  },
}


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
def test_a_masked_model_equals_the_small_one_it_contains(tiny, batch, case):
  small_ex = dataclasses.replace(tiny, latents=2, **CASES[case])
  wide_ex = dataclasses.replace(small_ex, latents=5)
  example = example_of(small_ex, batch)
  small = small_ex.model(batch)
  wide = wide_ex.model(batch).bind(jnp.array([1.0, 1.0, 0.0, 0.0, 0.0]))
  params = parameters(small, example)

  def padded(leaf, like):
    ends = [(0, b - a) for a, b in zip(leaf.shape, like.shape, strict=True)]
    return np.pad(leaf, ends)

  def widened(tree):
    shapes = jax.eval_shape(wide.init, jax.random.key(0), example)
    return jax.tree.map(padded, tree, shapes)

  found = everything(wide, widened(params), example)
  wanted = everything(small, params, example)
  found['codes'], rest = found['codes'][..., :2], found['codes'][..., 2:]
  assert not np.asarray(rest).any()
  wanted['grads'] = widened(jax.tree.map(np.asarray, wanted['grads']))
  for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def everything(model, params, example):
  """All that a model gives, and the gradient of its loss."""

  @jax.jit
  def run(params):
    def elbo(params):
      value_B = objectives.elbo(model, params, example, keys(4), beta=2.0)
      return value_B['loss'].mean(), value_B

    loss, grads = jax.value_and_grad(elbo, has_aux=True)(params)
    q = model.encode(params, example.seen, example.given)
    z_BZ = q.sample(keys(4))
    return {
      'loss and metrics': loss,
      'grads': grads,
      'codes': jnp.stack([q.mean, z_BZ]),
      'outputs': model.decode(params, z_BZ, example.given),
      'generated': model.generate(params, keys(4), example.given),
    }

  return run(params)


@pytest.mark.parametrize('posterior', [posteriors.normal, posteriors.point])
def test_the_code_of_a_masked_latent_is_zero(bound, tiny, batch, posterior):
  _, params, example = bound
  if posterior is posteriors.point:
    del params['encoder']['z_log_sigma']
  ex = dataclasses.replace(tiny, posterior=posterior)
  model = ex.model(batch).bind(jnp.array([1.0, 0.0, 1.0]))
  q = model.encode(params, example.seen)
  for head_BZ in (q.mean, q.sample(keys(4))):
    np.testing.assert_array_equal(np.asarray(head_BZ) == 0, 4 * [[0, 1, 0]])


def test_a_masked_latent_reaches_neither_decoder_nor_gradient(bound):
  model, params, example = bound
  model = model.bind(jnp.array([1.0, 0.0, 1.0]))
  z_BZ = np.ones((4, 3), np.float32)
  other_BZ = z_BZ * np.float32([1, np.nan, 1])
  decode = jax.jit(model.decode)
  np.testing.assert_array_equal(decode(params, z_BZ), decode(params, other_BZ))
  # Unmasked, these would overflow: exp(2 * 15) is far from the bias.
  heads = params['encoder']
  heads['z_log_sigma']['bias'] += np.float32([0, 3e38, 0])
  heads['z_mean']['bias'] += np.float32([0, 3e38, 0])

  def loss(params):
    z_BZ, kl_BG = model.infer(params, example, keys(4))
    outputs = model.decode(params, z_BZ)
    return kl_BG.sum() - model.log_likelihood(outputs, example.wanted).sum()

  value, grads = jax.jit(jax.value_and_grad(loss))(params)
  assert np.isfinite(value)
  for leaf in jax.tree.leaves(grads):
    assert np.isfinite(leaf).all()
  for head in ('z_mean', 'z_log_sigma'):
    assert not np.asarray(grads['encoder'][head]['kernel'])[:, 1].any()


@pytest.mark.parametrize('bias', [1e30, -1e30])
def test_z_log_sigma_is_clamped_before_it_overflows(bound, bias):
  model, params, example = bound
  params['encoder']['z_log_sigma']['bias'] += np.float32(bias)

  @jax.jit
  def run(params):
    q = model.encode(params, example.seen)
    return q.z_log_sigma, model.infer(params, example, keys(4))

  z_log_sigma, inferred = run(params)
  np.testing.assert_array_equal(
    z_log_sigma, np.sign(bias) * np.full((4, 3), 15)
  )
  for leaf in inferred:
    assert np.isfinite(leaf).all()


def test_a_usual_z_log_sigma_is_left_alone(bound):
  model, params, example = bound
  encoder = model.network.encoder
  heads = encoder.apply({'params': params['encoder']}, example.seen)
  q = model.encode(params, example.seen)
  np.testing.assert_array_equal(q.z_mean, heads['z_mean'])
  np.testing.assert_array_equal(q.z_log_sigma, heads['z_log_sigma'])
  assert 0 < np.abs(heads['z_log_sigma']).max() < 15


def test_reconstructions_are_means_not_samples(bound):
  model, params, example = bound
  reconstruct = jax.jit(model.reconstruct)
  image = np.asarray(reconstruct(params, example.seen))
  z_BZ = model.encode(params, example.seen).z_mean
  wanted = jax.nn.sigmoid(model.decode(params, z_BZ))
  np.testing.assert_allclose(image, wanted, rtol=1e-5)
  params['encoder']['z_log_sigma']['bias'] += np.float32(5)
  np.testing.assert_array_equal(reconstruct(params, example.seen), image)


def test_generated_images_are_the_means_of_draws_from_the_prior(bound):
  model, params, _ = bound
  image = jax.jit(model.generate)(params, keys(4))
  z_BZ = priors.noise(keys(4), 3)
  wanted = jax.nn.sigmoid(model.decode(params, z_BZ))
  np.testing.assert_allclose(image, wanted, rtol=1e-5)


def test_infer_draws_from_the_posterior_and_has_its_kl(bound):
  model, params, example = bound
  z_BZ, kl_BZ = jax.jit(model.infer)(params, example, keys(4))
  q = model.encode(params, example.seen)
  np.testing.assert_allclose(z_BZ, q.sample(keys(4)), rtol=1e-5)
  wanted = kl(q, model.prior(params), z_BZ)
  np.testing.assert_allclose(kl_BZ, wanted, rtol=1e-5, atol=1e-6)


def test_a_point_posterior_encodes_without_a_second_head(tiny, batch):
  ex = dataclasses.replace(tiny, posterior=posteriors.point)
  model, example = ex.model(batch), example_of(ex, batch)
  params = parameters(model, example)
  assert 'z_log_sigma' not in params['encoder']
  assert model.encode(params, example.seen)._fields == ('z_mean',)


def test_decode_does_not_depend_on_the_teacher(bound):
  model, params, example = bound
  z_BZ = np.ones((4, 3), np.float32)
  np.testing.assert_array_equal(
    model.decode(params, z_BZ, teacher=example.wanted),
    model.decode(params, z_BZ),
  )


def critic(latents):
  """A linear critic."""
  del latents
  return networks.Critic(nn.Dense(1))


def shifted(latents):
  """A prior with a parameter, which only counts that it was bound."""
  return priors.Prior(
    init=lambda key, model, example: {'shift': jnp.zeros(latents)},
    bind=lambda model, params, given: params['prior']['shift'],
  )


def test_priors_and_critics_have_parameters_of_their_own(tiny, batch):
  ex = dataclasses.replace(tiny, critic=critic, prior=shifted)
  model, example = ex.model(batch), example_of(ex, batch)
  params = parameters(model, example)
  assert set(params) == {'encoder', 'decoder', 'prior', 'critic'}
  z_BZ = np.arange(12, dtype=np.float32).reshape(4, 3)
  layer = params['critic']
  logit_B = (z_BZ @ layer['kernel'] + layer['bias'])[:, 0]
  found = model.critic(params, z_BZ)
  np.testing.assert_allclose(found, logit_B, rtol=1e-5)
  assert model.prior(params) is params['prior']['shift']


def test_gather_is_the_global_batch_in_order(bound):
  model, *_ = bound
  x_B = jnp.arange(8.0)
  assert model.gather(x_B) is x_B
  model = dataclasses.replace(model, axis='devices')
  gather = jax.vmap(model.gather, axis_name='devices')
  np.testing.assert_array_equal(gather(x_B.reshape(4, 2)), 4 * [x_B])


def test_a_piece_of_a_batch_is_no_batch_to_compare(bound):
  model, *_ = bound
  model = dataclasses.replace(model, in_pieces=True)
  with pytest.raises(WholeBatch, match='compares the examples'):
    model.gather(jnp.arange(8.0))


def test_the_weight_of_a_draw_is_p_of_x_and_z_over_q_of_z(bound):
  model, params, example = bound
  found = jax.jit(lambda p: model.log_weight(p, example)(keys(4)))(params)
  q = model.encode(params, example.seen)
  z_BZ = q.sample(keys(4))
  log_p_B = model.log_likelihood(model.decode(params, z_BZ), example.wanted)
  wanted = log_p_B + model.prior(params).log_prob(z_BZ) - q.log_prob(z_BZ)
  np.testing.assert_allclose(found, wanted, rtol=1e-5)


def own_topology(latents, shapes, size, heads):
  """An mlp, of which each function of the model is its own."""
  own = {
    name: lambda *args, name=name, **own: (name, (*args, *own.items()))
    for name in ('infer', 'decode', 'generate', 'log_weight')
  }
  return networks.mlp(latents, shapes, size, heads)._replace(**own)


def test_a_network_may_bring_the_functions_of_a_model(tiny, batch):
  model = dataclasses.replace(tiny, network=own_topology).model(batch)
  assert model.infer(1, 2, 3) == ('infer', (model, 1, 2, 3))
  decoded = model.decode(1, 2, 3, teacher=4, key=5)
  assert decoded == ('decode', (model, 1, 2, 3, 4, ('key', 5)))
  assert model.generate(1, 2, 3) == ('generate', (model, 1, 2, 3))
  assert model.log_weight(1, 2) == ('log_weight', (model, 1, 2))


def two_modules(latents, shapes, size, heads):
  """A network of the user's own: an encoder and a decoder."""
  return tuple(networks.mlp(latents, shapes, size, heads)[:2])


def test_two_modules_are_a_network_of_which_nothing_is_known(tiny, batch):
  model = dataclasses.replace(tiny, network=two_modules).model(batch)
  assert model.network.maskable is False and model.network.cpu_pixels is None
  assert not model.maskable and tiny.model(batch).maskable


@pytest.mark.slow
@pytest.mark.parametrize('precision', PRECISIONS)
@pytest.mark.parametrize('network', ['mlp', 'conv'])
def test_a_lower_precision_changes_the_elbo_by_its_rounding_alone(
  precision, network, tiny, batch
):
  networks_of = {
    'mlp': functools.partial(networks.mlp, widths=(16,)),
    'conv': functools.partial(networks.conv, widths=(4,), dense=8),
  }
  ex = dataclasses.replace(tiny, network=networks_of[network])
  example = views.clean(batch, None)
  params = ex.model(batch).init(jax.random.key(0), example)

  def loss(params, precision):
    model = dataclasses.replace(ex, precision=precision).model(batch)
    key_B = keys(batch.size)
    return objectives.elbo(model, params, example, key_B)['loss'].mean()

  wanted = jax.jit(loss, static_argnums=1)(params, 'float32')
  found, grads = jax.jit(jax.value_and_grad(loss), static_argnums=1)(
    params, precision
  )
  # Bfloat16 has eight bits; the other two are float32 on CPU.
  rounding = 2**-8 if precision == 'bfloat16' else 1e-6
  assert found == pytest.approx(float(wanted), rel=rounding)
  assert (abs(found - wanted) > 2e-6 * wanted) == (precision == 'bfloat16')
  assert {leaf.dtype for leaf in jax.tree.leaves(grads)} == {
    jnp.dtype('float32')
  }


def test_float32_means_float32_whatever_the_default_is(tiny, batch):
  example = views.clean(batch, None)
  params = tiny.model(batch).init(jax.random.key(0), example)
  with jax.default_matmul_precision('bfloat16'):
    text = str(jax.make_jaxpr(tiny.model(batch).encode)(params, example.seen))
  assert 'HIGHEST' in text and 'DEFAULT' not in text


def test_an_image_decoder_has_no_steps_of_its_own_to_go_on_from(tiny, batch):
  model, example = tiny.model(batch), views.clean(batch, None)
  params = model.init(jax.random.key(0), example)
  with pytest.raises(ValueError, match='step after step, such as'):
    objectives.scheduled_elbo(model, params, example, keys(batch.size))

import dataclasses
import functools
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from vae_jax import networks
from vae_jax.factors import likelihoods, objectives, posteriors, priors, views
from vae_jax.factors.divergences import kl
from vae_jax.images import ssim

NLL_B = np.array([3.0, 5.0, 1.0], np.float32)
KL_BZ = np.array([[0.5, 1.0], [2.0, 0.25], [0.0, 0.0]], np.float32)
EXAMPLE = views.Example(*np.zeros((2, 3, 1, 1, 1)))
linear = functools.partial(networks.mlp, widths=())


def stub():
  """A model of which every objective must get NLL_B and KL_BZ."""
  return types.SimpleNamespace(
    infer=lambda params, example, key_B: (None, jnp.asarray(KL_BZ)),
    decode=lambda params, z, given, teacher: None,
    log_likelihood=lambda outputs, wanted: -jnp.asarray(NLL_B),
  )


def means(value_B: dict) -> dict:
  """The mean over the examples of each, as numbers."""
  return {name: float(x_B.mean()) for name, x_B in value_B.items()}


def keys(n):
  # Not through fold_in, which costs a compilation for every size.
  data = [[0, i] for i in range(n)]
  return jax.random.wrap_key_data(np.array(data, np.uint32))


def parameters(model, example):
  rng = np.random.default_rng(0)
  shapes = jax.eval_shape(model.init, jax.random.key(0), example)
  return jax.tree.map(
    lambda leaf: 0.3 * rng.standard_normal(leaf.shape, np.float32), shapes
  )


def test_the_elbo_is_what_the_formulas_say_summed_over_pixels_and_latents(
  tiny, batch
):
  ex = dataclasses.replace(tiny, network=linear)
  model = ex.model(batch)
  example = ex.view(batch, None)
  params = parameters(model, example)
  elbo = jax.jit(functools.partial(objectives.elbo, model))
  value_B = elbo(params, example, keys(26))

  x = batch.x / 255
  heads = params['encoder']
  mean, s = (
    x @ heads[name]['kernel'] + heads[name]['bias']
    for name in ('z_mean', 'z_log_sigma')
  )
  noise = priors.noise(keys(26), 3)
  z = mean + np.exp(s) * np.asarray(noise)
  layer = params['decoder']['Dense_0']
  p = scipy.special.expit(z @ layer['kernel'] + layer['bias'])
  nll = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)
  kl = 0.5 * (mean**2 + np.exp(2 * s) - 1 - 2 * s).sum(-1)
  assert nll.shape == kl.shape == (26,)
  np.testing.assert_allclose(value_B['nll_nats'], nll, rtol=1e-5)
  np.testing.assert_allclose(value_B['kl_nats'], kl, rtol=1e-5)
  np.testing.assert_allclose(value_B['loss'], nll + kl, rtol=1e-5)


def test_the_elbo_is_log_p_x_at_the_true_posterior(tiny, batch):
  """Of probabilistic PCA with one latent, where both are known."""
  sigma, n = 0.5, 3000
  ex = dataclasses.replace(
    tiny,
    network=linear,
    latents=1,
    likelihood=functools.partial(likelihoods.normal, sigma=sigma),
  )
  model = ex.model(batch)
  example = ex.view(batch.take(np.zeros(n, int)), None)
  params = parameters(model, example)
  w_P, b_P = (params['decoder']['Dense_0'][k] for k in ('kernel', 'bias'))
  w_P = w_P[0]
  precision = 1 + w_P @ w_P / sigma**2
  gain_P = w_P / sigma**2 / precision
  params['encoder'] = {
    'z_mean': {'kernel': gain_P[:, None], 'bias': -gain_P[None] @ b_P},
    'z_log_sigma': {
      'kernel': np.zeros((60, 1), np.float32),
      'bias': np.float32([-0.5 * math.log(precision)]),
    },
  }
  elbo = jax.jit(functools.partial(objectives.elbo, model))
  metrics = means(elbo(params, example, keys(n)))
  covariance = np.outer(w_P, w_P) + sigma**2 * np.eye(60)
  x_P = batch.x[0] / 255
  log_p = scipy.stats.multivariate_normal(b_P, covariance).logpdf(x_P)
  # The draws of z make the estimate uncertain by about 0.02 nats.
  np.testing.assert_allclose(metrics['nelbo_nats'], -log_p, atol=0.08)


def test_the_loss_of_an_example_is_nll_plus_kl():
  value_B = objectives.elbo(stub(), {}, EXAMPLE, None)
  for name in ('loss', 'nelbo_nats'):
    np.testing.assert_array_equal(value_B[name], [4.5, 7.25, 1.0])
  np.testing.assert_array_equal(value_B['nll_nats'], NLL_B)
  np.testing.assert_array_equal(value_B['kl_nats'], KL_BZ.sum(1))


def test_beta_scales_the_kl_in_the_loss_and_nothing_else():
  for beta in (0.0, 4.0):
    found = means(objectives.elbo(stub(), {}, EXAMPLE, None, beta=beta))
    assert found['loss'] == 3.0 + beta * 1.25
    assert found['nelbo_nats'] == 4.25
    assert found['kl_nats'] == 1.25


def test_free_bits_cost_nothing_in_the_loss_and_hide_nothing():
  found = objectives.elbo(stub(), {}, EXAMPLE, None, beta=3.0, free_bits=2.0)
  # Nats of KL: 1.5, 2.25 and 0, of which 2 ln 2 = 1.386 are free.
  free = 2 * math.log(2)
  paid_B = np.array([1.5 - free, 2.25 - free, 0.0])
  np.testing.assert_allclose(found['loss'], NLL_B + 3 * paid_B, rtol=1e-6)
  assert means(found)['kl_nats'] == 1.25
  assert means(found)['nelbo_nats'] == 4.25


def test_above_free_bits_counts_bits_and_never_below_zero():
  kl_B = jnp.array([0.0, math.log(2), 3 * math.log(2)])
  paid = objectives.above_free_bits(kl_B, 1.0)
  np.testing.assert_allclose(paid, [0, 0, 2 * math.log(2)], atol=1e-6)


def test_no_free_bits_leave_even_a_negative_estimate_of_the_kl():
  kl_B = jnp.array([-1.0, 0.0, 2.0])
  np.testing.assert_array_equal(objectives.above_free_bits(kl_B, 0.0), kl_B)


def test_reconstruction_has_no_kl():
  image = np.zeros((3, 2, 5, 2))
  example = EXAMPLE._replace(wanted=image)
  value_B = objectives.reconstruction(stub(), {}, example, None)
  for name in ('loss', 'nll_nats'):
    np.testing.assert_array_equal(value_B[name], NLL_B)
  per_pixel_B = value_B['nll_nats_per_pixel']
  np.testing.assert_allclose(per_pixel_B, NLL_B / 20, rtol=1e-6)
  assert set(value_B) == {'loss', 'nll_nats', 'nll_nats_per_pixel'}


@pytest.mark.parametrize(
  'objective', [objectives.elbo, objectives.reconstruction]
)
def test_every_objective_passes_the_wanted_image_and_what_is_given(objective):
  passed, model, given = {}, stub(), object()
  model.decode = lambda params, z, given, **rest: passed.update(
    rest, given=given
  )
  example = EXAMPLE._replace(given=given)
  objective(model, {}, example, None)
  assert passed['teacher'] is example.wanted and passed['given'] is given


@pytest.mark.parametrize(
  'objective', [objectives.elbo, objectives.reconstruction]
)
@pytest.mark.parametrize(
  'likelihood',
  [
    likelihoods.bernoulli,
    likelihoods.normal,
    functools.partial(likelihoods.normal, sigma=None),
  ],
)
def test_objectives_are_float32_under_strict_promotion(
  objective, likelihood, tiny, batch
):
  ex = dataclasses.replace(tiny, likelihood=likelihood, view=views.noisy)
  model = ex.model(batch)

  def run(params, key_view_B, key_B):
    example = ex.view(batch.take(np.arange(4)), key_view_B)
    value_B = objective(model, params, example, key_B)
    return value_B['loss'].mean(), value_B

  shape = jax.ShapeDtypeStruct((1, 6, 5, 2), np.float32)
  params = jax.eval_shape(
    lambda x: model.init(jax.random.key(0), views.Example(x, x)), shape
  )
  with jax.numpy_dtype_promotion('strict'):
    f = jax.value_and_grad(run, has_aux=True)
    (loss, metrics), grads = jax.eval_shape(f, params, keys(4), keys(4))
  for leaf in jax.tree.leaves((loss, metrics, grads)):
    assert leaf.dtype == np.float32
  assert loss.shape == () and all(m.shape == (4,) for m in metrics.values())


def test_the_structural_loss_is_one_minus_ssim_for_each_pixel(tiny, batch):
  ex = dataclasses.replace(tiny, network=linear, posterior=posteriors.point)
  model, example = ex.model(batch), ex.view(batch, None)
  params = parameters(model, example)
  structural = functools.partial(objectives.structural, model)
  found = jax.jit(structural)(params, example, keys(26))
  image = model.reconstruct(params, example.seen)
  wanted = 60 * (1 - ssim(image, example.wanted))
  assert wanted.shape == (26,)
  assert set(found) == {'loss'}
  np.testing.assert_allclose(found['loss'], wanted, rtol=1e-5)


def test_a_perfect_image_has_no_structural_loss():
  x = jnp.asarray(np.random.default_rng(0).random((3, 12, 12, 1), np.float32))
  model = types.SimpleNamespace(
    infer=lambda params, example, key_B: (None, None),
    decode=lambda params, z, given, teacher: x,
    likelihood=types.SimpleNamespace(mean=lambda outputs: outputs),
  )
  found = objectives.structural(model, {}, views.Example(x, x), None)
  np.testing.assert_allclose(
    found['loss'], 0, atol=0.01
  )  # nats would be about 70


def test_sparse_is_reconstruction_and_the_l1_norm_of_each_code():
  z_BZ = jnp.array([[1.0, -2.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 4.0]])
  model = stub()
  model.infer = lambda params, example, key_B: (z_BZ, jnp.zeros((3, 1)))
  model.active = 3
  for weight in (0.0, 2.0):
    found = objectives.sparse(model, {}, EXAMPLE, None, sparsity=weight)
    l1_B = np.array([3.0, 0.5, 4.0])
    np.testing.assert_allclose(found['loss'], NLL_B + weight * l1_B)
    np.testing.assert_allclose(found['mean_activation'], l1_B / 3)
    np.testing.assert_array_equal(found['nll_nats'], NLL_B)


@pytest.fixture
def game(tiny, batch):
  """(model, params, example, keys) of a small adversarial one."""
  ex = dataclasses.replace(
    tiny,
    posterior=posteriors.point,
    objective=objectives.adversarial,
    critic=functools.partial(networks.critic, widths=(8,)),
  )
  model = ex.model(batch)
  example = ex.view(batch.take(np.arange(6)), None)
  return model, parameters(model, example), example, keys(6)


def mean_loss(objective, model, example, **numbers):
  """A function of the parameters: (the mean of the losses, all means)."""

  def loss(params):
    value_B = objective(model, params, example, keys(6), **numbers)
    return value_B['loss'].mean(), jax.tree.map(jnp.mean, value_B)

  return loss


def losses_alone(model, params, example):
  """(reconstruction, critic's loss, encoder's loss): no gradient is stopped."""
  z_BZ = model.encode(params, example.seen).mean
  _, key_p = jax.vmap(lambda key: tuple(jax.random.split(key, 2)))(keys(6))
  outputs = model.decode(params, z_BZ)
  nll = -model.log_likelihood(outputs, example.wanted).mean()
  real_B = jax.nn.sigmoid(model.critic(params, priors.noise(key_p, 3)))
  fake_B = jax.nn.sigmoid(model.critic(params, z_BZ))
  critic = -(jnp.log(real_B) + jnp.log(1 - fake_B)).mean()
  return nll, critic, -jnp.log(fake_B).mean()


@pytest.mark.slow
def test_each_player_follows_the_gradient_of_its_own_loss_alone(game):
  model, params, example, _ = game
  ours = mean_loss(objectives.adversarial, model, example, beta=3.0)

  @jax.jit
  def gradients(params):
    found, metrics = jax.grad(ours, has_aux=True)(params)
    alone = jax.jacobian(losses_alone, 1)(model, params, example)
    return found, metrics, alone

  found, metrics, (nll, critic, encoder) = gradients(params)
  wanted = {
    'encoder': jax.tree.map(
      lambda a, b: a + 3.0 * b, nll['encoder'], encoder['encoder']
    ),
    'decoder': nll['decoder'],
    'critic': critic['critic'],
  }
  assert found.keys() == wanted.keys()
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    found,
    wanted,
  )
  # Each gradient that is held back is there: stopping it is what is tested.
  for held_back in (critic['encoder'], encoder['critic']):
    assert all(np.abs(g).max() > 1e-4 for g in jax.tree.leaves(held_back))
  values = losses_alone(model, params, example)
  names = ('nll_nats', 'critic_nats', 'generator_nats')
  for name, value in zip(names, values, strict=True):
    np.testing.assert_allclose(metrics[name], value, rtol=1e-5)


def test_without_beta_the_critic_only_watches_a_plain_autoencoder(game):
  model, params, example, _ = game

  def gradient(objective, **numbers):
    loss = mean_loss(objective, model, example, **numbers)
    return jax.jit(jax.grad(loss, has_aux=True))(params)[0]

  ours = gradient(objectives.adversarial, beta=0.0)
  plain = gradient(objectives.reconstruction)
  for side in ('encoder', 'decoder'):
    jax.tree.map(
      functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6),
      ours[side],
      plain[side],
    )
  assert all(np.abs(g).max() > 1e-4 for g in jax.tree.leaves(ours['critic']))


@pytest.mark.parametrize(
  ('real', 'fake', 'accuracy'),
  [(1.0, -1.0, 1.0), (-1.0, 1.0, 0.0), (1.0, 1.0, 0.5), (-1.0, -1.0, 0.5)],
)
def test_the_accuracy_is_the_share_of_codes_and_draws_told_apart(
  real, fake, accuracy
):
  model = stub()
  draws = types.SimpleNamespace(sample=lambda key_B: jnp.full((3, 2), real))
  model.prior = lambda params, given: draws
  model.infer = lambda *args: (jnp.full((3, 2), fake), None)
  model.critic = lambda params, z_BZ: z_BZ[:, 0]
  metrics = means(objectives.adversarial(model, {}, EXAMPLE, keys(3), beta=2.0))
  assert float(metrics['critic_accuracy']) == accuracy
  critic = math.log1p(math.exp(-real)) + math.log1p(math.exp(fake))
  encoder = math.log1p(math.exp(-fake))
  np.testing.assert_allclose(metrics['critic_nats'], critic, rtol=1e-6)
  total = 3.0 + critic + 2 * encoder
  np.testing.assert_allclose(metrics['loss'], total, rtol=1e-6)


def test_a_critic_that_cannot_tell_costs_two_log_two(game):
  model, params, example, key_B = game
  params['critic'] = jax.tree.map(jnp.zeros_like, params['critic'])
  metrics = means(objectives.adversarial(model, params, example, key_B))
  np.testing.assert_allclose(metrics['critic_nats'], 2 * math.log(2), rtol=1e-6)
  np.testing.assert_allclose(metrics['generator_nats'], math.log(2), rtol=1e-6)


def mistaken_model(z_mean, z_log_sigma, z_mask=None):
  """Of two codes (mean, s) for images of four pixels, each decoded as 0.5."""
  q = posteriors.Normal(jnp.float32(z_mean), jnp.float32(z_log_sigma), z_mask)
  return types.SimpleNamespace(
    encode=lambda params, seen, given: q,
    decode=lambda params, z, given, teacher: jnp.full((len(z), 2, 2, 1), 0.5),
    likelihood=types.SimpleNamespace(mean=lambda outputs: outputs),
    z_mask=z_mask,
  )


def test_the_mistaken_objective_makes_exactly_the_lessons_mistake():
  ones_BZ = jnp.ones((2, 3))
  model = mistaken_model(0 * ones_BZ, ones_BZ)
  wanted_BHWC = jnp.array([[[[1.0], [0.5]], [[0.0], [0.5]]]] * 2)
  example = views.Example(wanted_BHWC, wanted_BHWC)
  metrics = means(objectives.mistaken_elbo(model, {}, example, keys(2)))
  # mu = 0, s = 1, by hand: (e - 2) / 2 where the KL is (e^2 - 3) / 2.
  np.testing.assert_allclose(metrics['mistaken_kl'], 3 * 0.359141, rtol=1e-5)
  q = model.encode(None, None, None)
  true_BZ = kl(q, priors.StandardNormal(3), None)
  np.testing.assert_allclose(true_BZ, np.full((2, 3), 2.194528), rtol=1e-5)
  # Summed over pixels: 784 times the mean of the lesson's 784.
  assert metrics['squared_error'] == 0.5
  np.testing.assert_allclose(metrics['loss'], 0.5 + 3 * 0.359141, rtol=1e-5)


def test_the_mistaken_objective_counts_no_masked_latent():
  zeros_BZ = jnp.zeros((2, 3))
  s_BZ = jnp.array([[1.0, 0.0, 0.0]] * 2)
  model = mistaken_model(zeros_BZ, s_BZ, jnp.array([1.0, 0.0, 0.0]))
  images_BHWC = jnp.full((2, 2, 2, 1), 0.5)
  example = views.Example(images_BHWC, images_BHWC)
  metrics = means(objectives.mistaken_elbo(model, {}, example, keys(2)))
  np.testing.assert_allclose(metrics['mistaken_kl'], 0.359141, rtol=1e-5)

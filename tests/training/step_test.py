import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vae_jax import data, networks, training
from vae_jax.config import lookup
from vae_jax.factors import objectives, schedules, views
from vae_jax.factors.model import WholeBatch
from vae_jax.training import feed, pieces
from vae_jax.training.devices import OneRun
from vae_jax.training.step import (
  all_finite,
  clip,
  example_keys,
  rate,
  update,
)

SGD = optax.identity


def trained(ex, batch, start, devices, steps=8, k=4, refuse=None):
  """(losses, State) after so many steps in calls of k, on these devices."""
  ex = dataclasses.replace(ex, steps_per_call=k)
  placed, hyper, state = start(ex, devices)
  f = functools.partial(training.steps, ex)
  call = training.over_devices(f, devices=devices)
  losses = []
  for first in range(0, steps, k):
    count = min(k, steps - first)
    index = feed.order_of(ex, batch.size, OneRun(devices)).index(first, count)
    state, metrics = call(placed, hyper, state, index)
    losses += list(np.asarray(metrics['loss'])[:count])
  return np.array(losses), jax.device_get(state.params), state


def close(a, b, **tolerance):
  for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
    np.testing.assert_allclose(x, y, **tolerance)


@pytest.fixture(params=['vae', 'denoiser'])
def ex(request, tiny):
  """A VAE, and a model whose view draws noise."""
  if request.param == 'denoiser':
    tiny = dataclasses.replace(tiny, view=views.noisy)
  # SGD shows a wrong scale of the gradient, which Adam would hide.
  return dataclasses.replace(tiny, optimizer=SGD, learning_rate=1e-3)


@pytest.mark.slow
def test_one_device_and_four_devices_give_the_same_run(ex, batch, start):
  devices = jax.local_devices()
  losses_1, params_1, _ = trained(ex, batch, start, devices[:1])
  losses_4, params_4, _ = trained(ex, batch, start, devices)
  np.testing.assert_allclose(losses_4, losses_1, rtol=1e-5)
  close(params_4, params_1, atol=1e-6)


@pytest.mark.slow
def test_k_steps_in_a_scan_equal_k_single_steps(ex, batch, start):
  devices = jax.local_devices()[:1]
  losses_1, params_1, _ = trained(ex, batch, start, devices, steps=50, k=1)
  losses_50, params_50, _ = trained(ex, batch, start, devices, steps=50, k=50)
  np.testing.assert_allclose(losses_50, losses_1, rtol=1e-5)
  close(params_50, params_1, atol=1e-6)


@pytest.mark.slow
def test_steps_that_are_written_out_are_the_same(ex, batch, start):
  devices = jax.local_devices()[:1]
  losses, params, _ = trained(ex, batch, start, devices, steps=7)
  unrolled = dataclasses.replace(ex, unroll=2)
  losses_2, params_2, state = trained(unrolled, batch, start, devices, steps=7)
  np.testing.assert_allclose(losses_2, losses, rtol=1e-5)
  close(params_2, params, atol=1e-6)
  assert int(state.step) == 7


@pytest.mark.slow
@pytest.mark.parametrize('devices, micro_batch', [(1, 2), (2, 2)])
def test_a_batch_in_pieces_gives_the_same_run(
  ex, batch, start, devices, micro_batch
):
  devices = jax.local_devices()[:devices]
  losses, params, _ = trained(ex, batch, start, devices)
  cut = dataclasses.replace(ex, micro_batch=micro_batch)
  losses_cut, params_cut, _ = trained(cut, batch, start, devices)
  np.testing.assert_allclose(losses_cut, losses, rtol=1e-5)
  close(params_cut, params, atol=1e-6)


OBJECTIVES = lookup.choices(
  objectives, objectives.elbo, ('model', 'params', 'example', 'key_B')
)
OBJECTIVES.pop('scheduled_elbo')  # of sequences: networks/recurrent_test.py


@pytest.mark.slow
@jax.debug_key_reuse(False)  # the same draws, whole and in pieces
@pytest.mark.parametrize('name', OBJECTIVES)
def test_an_objective_in_pieces_is_the_whole_one(name, tiny, batch):
  ex = dataclasses.replace(
    tiny, critic=networks.critic, objective=OBJECTIVES[name]
  )
  state = training.init(jax.random.key(0), ex, ex.hyper(), batch)
  keys = example_keys(jax.random.key(1), 8)
  example, model = ex.view(batch.take(np.arange(8)), keys), ex.model(batch)
  whole = jax.jit(functools.partial(pieces.whole, ex, model))
  cut = jax.jit(functools.partial(pieces.in_pieces, ex, model, count=4))
  args = state.params, example, keys
  close(cut(*args), whole(*args), rtol=1e-4, atol=1e-4)


def paired(model, params, example, key_B):
  """The ELBO, and the distance of each code from the mean of the batch's."""
  values = objectives.elbo(model, params, example, key_B)
  z_BZ = model.encode(params, example.seen).mean
  center = model.gather(z_BZ).mean(0, keepdims=True)
  distance_B = ((z_BZ - center) ** 2).sum(-1)
  return values | {'loss': values['loss'] + distance_B}


@jax.debug_key_reuse(False)  # the same draws, whole and in pieces
def test_what_compares_examples_gets_the_whole_batch(tiny, batch, monkeypatch):
  ex = dataclasses.replace(tiny, objective=paired)
  state = training.init(jax.random.key(0), ex, ex.hyper(), batch)
  keys = example_keys(jax.random.key(1), 8)
  example, model = ex.view(batch.take(np.arange(8)), keys), ex.model(batch)
  args = model, state.params, example, keys
  # Pieces because that is faster: then it stays whole.
  monkeypatch.setattr(pieces, 'cached', lambda *args: 2)
  found, wanted = (
    jax.jit(functools.partial(f, ex, model))(*args[1:])
    for f in (pieces.gradients, pieces.whole)
  )
  close(found, wanted, rtol=1e-6)
  # Pieces because the user asks for them.
  asked = dataclasses.replace(ex, micro_batch=2)
  with pytest.raises(WholeBatch, match='compares'):
    pieces.gradients(asked, *args)


@pytest.mark.slow
def test_a_batch_compared_over_devices_is_the_same_batch(tiny, batch, start):
  ex = dataclasses.replace(tiny, objective=paired, optimizer=SGD)
  devices = jax.local_devices()
  losses_1, params_1, _ = trained(ex, batch, start, devices[:1])
  losses_4, params_4, _ = trained(ex, batch, start, devices)
  np.testing.assert_allclose(losses_4, losses_1, rtol=1e-5)
  close(params_4, params_1, atol=1e-6)


def test_a_batch_is_cut_as_is_fastest_where_that_is_known(tiny, monkeypatch):
  def cut(b, **fields):
    ex = dataclasses.replace(tiny, network=networks.conv)
    ex = dataclasses.replace(ex, **fields)
    return pieces.count_of(ex, ex.model(images), (b, *sides, 1))

  images = data.Batch(np.zeros((2, 784), np.uint8), None, (28, 28, 1))
  sides = 28, 28
  conv = dataclasses.replace(tiny, network=networks.conv).model(images)
  assert conv.network.cpu_pixels // (28 * 28) == 41
  assert [cut(b) for b in (16, 32, 64, 96, 128, 512)] == [1, 1, 2, 3, 4, 16]
  assert cut(120) == 3 and cut(127) == 1  # of 40; none near the size
  assert cut(128, network=functools.partial(networks.conv, dense=8)) == 4
  assert cut(128, network=networks.mlp) == 1
  assert cut(128, micro_batch=1) == 128 and cut(16, micro_batch=16) == 1
  sides = 64, 64  # so large that the least piece is left
  assert cut(128) == 8
  monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
  assert cut(128) == 1 and cut(128, micro_batch=32) == 4


@pytest.mark.slow
def test_a_padded_last_call_changes_nothing(ex, batch, start):
  devices = jax.local_devices()[:2]
  _, whole, state = trained(ex, batch, start, devices, steps=6, k=3)
  _, padded, state = trained(ex, batch, start, devices, steps=6, k=4)
  assert int(state.step) == 6
  assert int(state.refused) == 0
  close(padded, whole, atol=1e-6)


def test_sgd_takes_the_gradient_of_the_mean_loss(tiny, batch, start):
  ex = dataclasses.replace(tiny, optimizer=SGD, learning_rate=0.5)
  devices = jax.local_devices()
  placed, hyper, state = start(ex, devices)
  before = jax.device_get(state.params)
  key_view, key_latent = jax.random.split(
    jax.random.fold_in(
      jax.random.wrap_key_data(np.asarray(jax.random.key_data(state.key))), 0
    )
  )
  index = feed.order_of(ex, batch.size, OneRun(devices)).index(0, 1)
  call = training.over_devices(
    functools.partial(training.steps, ex), devices=devices
  )
  _, metrics = out = call(placed, hyper, state, index)
  after = jax.device_get(out[0].params)

  def loss(params):
    order = data.order(ex.seed, batch.size, 0, 8)
    example = ex.view(batch.take(order), example_keys(key_view, 8))
    key_B = example_keys(key_latent, 8)
    value_B = ex.objective(ex.model(batch), params, example, key_B)
    return value_B['loss'].mean()

  value, grads = jax.value_and_grad(loss)(before)
  np.testing.assert_allclose(np.asarray(metrics['loss'])[0], value, rtol=1e-5)
  wanted = jax.tree.map(lambda p, g: p - 0.5 * g, before, grads)
  close(after, wanted, rtol=1e-4, atol=1e-5)


def test_the_step_is_compiled_once_in_five_calls(tiny, batch, start):
  devices = jax.local_devices()
  placed, hyper, state = start(tiny, devices)
  compiled = []

  def listen(event, seconds, **kwargs):
    if event == '/jax/core/compile/backend_compile_duration':
      compiled.append(kwargs)

  f = functools.partial(training.steps, tiny)
  call = training.over_devices(f, devices=devices)
  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    for i in range(5):
      index = feed.order_of(tiny, batch.size, OneRun(devices)).index(4 * i, 4)
      state, _ = call(placed, hyper, state, index)
      # Many calls under way on devices that share two cores have crashed.
      jax.block_until_ready(state)
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)
  assert len(compiled) == 1


def test_replicas_stay_identical(ex, batch, start):
  _, _, state = trained(ex, batch, start, jax.local_devices())
  for leaf in jax.tree.leaves(state.params):
    first, *others = [np.asarray(s.data) for s in leaf.addressable_shards]
    assert len(others) == 3
    for other in others:
      np.testing.assert_array_equal(other, first)


def poisoned(model, params, example, key_B):
  """The ELBO, but NaN whenever the batch's first pixel is bright."""
  from vae_jax.factors import objectives

  values = objectives.elbo(model, params, example, key_B)
  bad = jnp.where(example.wanted[0, 0, 0, 0] > 0.9, jnp.nan, 0.0)
  return values | {'loss': values['loss'] + bad}


def test_a_loss_that_is_not_finite_never_reaches_the_state(tiny, batch, start):
  ex = dataclasses.replace(tiny, objective=poisoned)
  one = jax.local_devices()[:1]
  losses, params, state = trained(ex, batch, start, one, steps=24, k=8)
  bad = int(np.flatnonzero(~np.isfinite(losses))[0])
  assert 0 < bad < 23  # or the test tests nothing
  assert int(state.step) == bad
  assert int(state.refused) == 24 - bad
  _, wanted, _ = trained(tiny, batch, start, one, steps=bad, k=8)
  close(params, wanted, atol=1e-6)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_is_refused_too(tiny, batch):
  hyper = tiny.hyper()
  state = training.init(jax.random.key(0), tiny, hyper, batch)
  grads = jax.tree.map(jnp.ones_like, state.params)
  grads['encoder']['z_mean']['bias'] = jnp.full(3, jnp.inf)
  metrics = {'loss': jnp.float32(1.0)}
  new, _ = update(tiny, state, grads, metrics, jnp.bool_(True))
  assert int(new.step) == 0 and int(new.refused) == 1
  for a, b in zip(
    jax.tree.leaves((new.params, new.opt_state)),
    jax.tree.leaves((state.params, state.opt_state)),
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('shape', [(), (3,), (3, 5), (2, 2, 3, 4)])
def test_one_value_that_is_not_finite_is_seen(shape):
  finite = jax.jit(all_finite)
  largest = np.finfo(np.float32).max
  good = np.full(shape, largest, np.float32)
  assert finite((jnp.zeros(2), good)) and finite((good, -good))
  for bad in np.inf, -np.inf, np.nan:
    for place in range(good.size):
      x = good.copy()
      x.flat[place] = bad
      assert not finite((jnp.zeros(2), x)), (bad, place)


def test_the_critic_has_a_rate_of_its_own(tiny):
  ex = dataclasses.replace(tiny, critic_rate=0.25)
  assert rate('critic', ex) == 0.25
  assert rate('encoder', ex) == 1e-3


def test_gradients_are_clipped_by_their_global_norm_and_the_critic_apart():
  grads = {
    'encoder': {'a': jnp.array([3.0, 0.0])},
    'decoder': jnp.array([[4.0]]),
    'critic': jnp.array([0.0, 6.0]),
  }
  found = clip(grads, 1.0)
  np.testing.assert_allclose(found['encoder']['a'], [0.6, 0], rtol=1e-6)
  np.testing.assert_allclose(found['decoder'], [[0.8]], rtol=1e-6)
  np.testing.assert_allclose(found['critic'], [0, 1], rtol=1e-6)
  small = clip(grads, 5.5)
  np.testing.assert_array_equal(small['encoder']['a'], [3, 0])
  np.testing.assert_allclose(small['critic'], [0, 5.5], rtol=1e-6)
  # As optax, where there is no other player.
  del grads['critic']
  wanted, _ = optax.clip_by_global_norm(2.0).update(grads, None)
  close(clip(grads, 2.0), wanted, rtol=1e-6)
  zero = jax.tree.map(jnp.zeros_like, grads)
  close(clip(zero, 2.0), zero, atol=0)


@pytest.mark.slow
def test_a_clipped_step_of_sgd_is_as_long_as_it_may_be(tiny, batch, start):
  ex = dataclasses.replace(
    tiny, optimizer=SGD, learning_rate=1.0, clip_norm=0.25
  )
  state = training.init(jax.random.key(0), ex, ex.hyper(), batch)
  step = jax.jit(functools.partial(training.step, ex))
  new, _ = step(batch, ex.hyper(), state, jnp.arange(8))
  moved = jax.tree.map(jnp.subtract, new.params, state.params)
  assert float(optax.tree.norm(moved)) == pytest.approx(0.25, rel=1e-4)


@pytest.mark.slow
def test_a_schedule_of_the_rate_scales_the_step(tiny, batch):
  ex = dataclasses.replace(tiny, optimizer=SGD)
  half = functools.partial(schedules.linear, steps=2)
  moving = dataclasses.replace(ex, schedule=(('learning_rate', half),))
  state = training.init(jax.random.key(0), ex, ex.hyper(), batch)
  state = state.replace(step=jnp.int32(1))

  def moved(ex):
    step = jax.jit(functools.partial(training.step, ex))
    new, _ = step(batch, ex.hyper(), state, jnp.arange(8))
    return jax.tree.map(jnp.subtract, new.params, state.params)

  wanted = jax.tree.map(lambda x: x / 2, moved(ex))
  close(moved(moving), wanted, rtol=1e-3, atol=1e-7)


def test_example_keys_are_distinct_over_the_global_batch():
  key = jax.random.key(0)
  keys = jax.random.key_data(example_keys(key, 64))
  assert len(np.unique(np.asarray(keys), axis=0)) == 64


@pytest.mark.slow
def test_adam_reaches_the_same_parameters_on_any_devices(tiny, batch, start):
  _, params_1, _ = trained(tiny, batch, start, jax.local_devices()[:1])
  _, params_4, _ = trained(tiny, batch, start, jax.local_devices())
  close(params_4, params_1, atol=1e-5)

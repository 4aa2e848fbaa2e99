"""What keeps a step fast, on any machine: no time is measured here."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from vae_jax import console, data, networks, training
from vae_jax.factors import likelihoods, objectives, posteriors, views
from vae_jax.runs import loop, prepare
from vae_jax.training import feed, replicate
from vae_jax.training.devices import OneRun

SIZED = {'latents': None, 'posterior': posteriors.point}
CONVOLUTIONAL = {
  'conv': {'network': functools.partial(networks.conv, widths=(4, 8), dense=8)},
  'pooled': {
    'network': functools.partial(networks.pooled, widths=(4, 4)), **SIZED,
  },
  'unet': {
    'network': functools.partial(networks.unet, widths=(4, 8), dense=8),
    **SIZED,
  },
  'upscaled': {
    'network': networks.upscaled, 'view': views.low_resolution,
    'likelihood': likelihoods.normal, **SIZED,
  },
  'classifier': {
    'network': networks.classifier, 'view': views.labels,
    'likelihood': likelihoods.categorical, 'posterior': posteriors.point,
  },
}  # fmt: skip


@pytest.fixture(scope='module')
def images():
  """Sixteen images of 12x12 with labels."""
  rng = np.random.default_rng(0)
  x = rng.integers(0, 256, (16, 144), dtype=np.uint8)
  label = (np.arange(16) % 3).astype(np.int32)
  return data.Batch(x, label, (12, 12, 1), classes=('a', 'b', 'c'))


def lowered(ex, batch, devices):
  """The text of a compiled call before XLA has seen it; compiles nothing."""
  state = jax.eval_shape(
    lambda key, batch: training.init(key, ex, ex.hyper(), batch),
    jax.random.key(0),
    batch,
  )
  f = functools.partial(training.steps, ex)
  call = training.over_devices(f, devices=devices)
  index = feed.order_of(ex, batch.size, OneRun(devices)).index(0, 2)
  return call.lower(batch, ex.hyper(), state, index).as_text()


@pytest.mark.slow
@pytest.mark.parametrize('name', CONVOLUTIONAL)
def test_no_train_step_on_cpu_holds_a_convolution_of_xla(name, images, tiny):
  # Inside a scan XLA's gradients of them are tens of times slower.
  objective = objectives.elbo
  if 'posterior' in CONVOLUTIONAL[name]:
    objective = objectives.reconstruction
  fields = {'objective': objective} | CONVOLUTIONAL[name]
  ex = dataclasses.replace(tiny, steps_per_call=2, **fields)
  text = lowered(ex, images, jax.local_devices()[:1])
  assert 'stablehlo.dot_general' in text
  assert 'stablehlo.convolution' not in text


@pytest.mark.parametrize('count, reduces', [(1, False), (2, True)])
def test_gradients_are_reduced_only_over_several_devices(
  count, reduces, tiny, batch
):
  # XLA:CPU would copy them all, even over one.
  text = lowered(tiny, batch, jax.local_devices()[:count])
  assert ('all_reduce' in text) == reduces


def test_a_call_gets_nothing_from_the_host_but_the_order_of_its_examples(
  tiny, batch
):
  devices = jax.local_devices()
  examples = feed.Resident(
    feed.order_of(tiny, batch.size, OneRun(devices)), batch
  )
  first, (index, stop) = examples(0, tiny.steps_per_call)
  again, _ = examples(tiny.steps_per_call, 1)
  assert again is first  # on the devices, once for all
  assert index.nbytes == 4 * tiny.steps_per_call * tiny.batch_size
  assert stop.nbytes == 4 * len(devices)


class Bar(console.Bar):
  """A progress bar that nobody sees."""

  def _draw(self):
    pass


@pytest.mark.slow
def test_the_loop_moves_nothing_between_host_and_devices_by_accident(
  tiny, batch
):
  ex = dataclasses.replace(tiny, steps=12)
  devices = jax.local_devices()
  state = replicate(prepare.initial(ex, batch)(ex), devices)
  hyper = replicate(ex.hyper(), devices)
  examples = feed.Resident(
    feed.order_of(ex, batch.size, OneRun(devices)), batch
  )
  call = loop.compiled_steps(ex, examples, hyper, state)
  with jax.transfer_guard('disallow'):
    args = call, examples, hyper, state, Bar(12)
    state, metrics = loop.train_to(12, 0, *args)
  assert len(metrics['loss']) == 12

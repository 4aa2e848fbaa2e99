"""The engine of measures: their means over a whole split, on all devices.

A measure is (model, params, example, key_B) -> {name: value_B}, whatever the
shape behind [B]; the pooled figure is the mean over the split, whatever its
size. An experiment's objective is the first of its measures.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vae_jax import config, training
from vae_jax.config.experiment import Experiment
from vae_jax.data import Batch
from vae_jax.factors.hyper import Hyper
from vae_jax.factors.model import Model
from vae_jax.images import psnr
from vae_jax.measures.examples import evaluation_key, keys_at, viewed
from vae_jax.training import State
from vae_jax.training.devices import Layout
from vae_jax.training.pieces import cached

BATCH = 128  # examples that are measured at once, at most
PORTION = 8192  # examples of a split on the host that are sent at once


def means(ex: Experiment, measures, layout: Layout, batch_size=None):
  """A function (data, hyper, state) -> {name: figure} pooled over the split,
  for each run that lies on the devices.

  Any size of split on any number of devices: what is padded weighs 0. Data on
  the host is sent in portions, so it may be larger than a device.
  """
  call = layout.each(functools.partial(sums, ex, measures), reduced=True)

  def measure(data: Batch, hyper: Hyper, state: State) -> list[dict]:
    total, parts = 0, []
    size = batch_size or at_once(ex, data)
    for part, at_DnB, position_DnB in portions(data, layout.shares, size):
      parts.append(call(part, hyper, state, (at_DnB, position_DnB)))
      total += (position_DnB >= 0).sum()
    mean_R = {k: sum(part[k] for part in parts) / total for k in parts[0]}
    each = [
      {k: x_R[r] for k, x_R in mean_R.items()} for r in range(layout.count)
    ]
    return [derived(one) for one in each]

  return measure


def at_once(ex: Experiment, data: Batch) -> int:
  """How many examples of a split are measured at once."""
  seen = config.example_shapes(ex, data).seen.shape
  return min(cached(ex.model(data), seen, BATCH), data.size)


def portions(data: Batch, devices: int, batch_size: int, rows: int = PORTION):
  """(examples, indices into them [D, n, b], positions in the split) of a split:
  in one if it lies on the devices, else `rows` at a time, all of one shape."""
  if isinstance(data.x, jax.Array):
    index_DnB = padded_index(data.size, devices, batch_size)
    yield data, index_DnB, index_DnB
    return
  rows = min(rows, data.size)
  at_DnB = padded_index(rows, devices, batch_size)
  for start in range(0, data.size, rows):
    index = np.minimum(np.arange(start, start + rows), data.size - 1)
    position_DnB = np.where(at_DnB >= 0, at_DnB + start, -1)
    position_DnB[position_DnB >= data.size] = -1
    yield data.take(index), at_DnB, position_DnB


def padded_index(n: int, devices: int, batch_size: int):
  """0 .. n-1 laid over devices and batches, padded with -1: [D, n, b]."""
  batches = -(-n // (devices * batch_size))
  index = np.full(devices * batches * batch_size, -1, np.int32)
  index[:n] = np.arange(n)
  return index.reshape(devices, batches, batch_size)


def shapes(ex: Experiment, data: Batch) -> dict[str, tuple[int, ...]]:
  """Name -> shape of every figure of the experiment's measures on this data;
  runs nothing. TypeError if the objective returns no loss."""
  key, hyper = jax.random.key(0), ex.hyper()
  init = functools.partial(training.init, ex=ex, hyper=hyper)
  state = jax.eval_shape(lambda data: init(key, data=data), data)
  measure = functools.partial(_measured, ex, ex.measured())
  values = jax.eval_shape(measure, data, hyper, state, jnp.zeros(2, int))
  means = {name: np.zeros(v.shape[1:]) for name, v in values.items()}
  return {name: np.shape(value) for name, value in derived(means).items()}


def unpadded(values: dict, own: dict[str, tuple[int, ...]]) -> dict:
  """The figures of a padded run without their padding, shaped as `own` says."""
  cuts = {name: tuple(slice(n) for n in shape) for name, shape in own.items()}
  return {
    name: np.asarray(value)[cuts[name]].tolist() if cuts[name] else value
    for name, value in values.items()
  }


def _measured(
  ex: Experiment,
  measures,
  data: Batch,
  hyper: Hyper,
  state: State,
  index_b,
  position_b=None,
):
  position_b = index_b if position_b is None else position_b
  objective, ex = ex.objective, ex.bound(hyper)
  model = ex.model(data).bind(hyper.z_mask)
  key_view, key_latent = jax.random.split(evaluation_key(state))
  example = viewed(ex, data, key_view, index_b, position_b)
  latent_b, values = keys_at(key_latent, position_b), {}
  for i, measure in enumerate(measures):
    # A key of its own for each: two of them may draw.
    key_b = jax.vmap(jax.random.fold_in, (0, None))(latent_b, i)
    if measure is objective:
      found = with_loss(ex, model, state.params, example, key_b)
    else:
      found = measure(model, state.params, example, key_b)
    # Of what two of them tell, such as their losses, the first's.
    values = found | values
  return values


def with_loss(ex: Experiment, model: Model, params, example, key_b) -> dict:
  """What the objective says of each example; TypeError if that has no loss."""
  values = ex.objective(model, params, example, key_b)
  loss = values.get('loss') if isinstance(values, dict) else None
  if loss is None or jnp.ndim(loss) != 1:
    name = config.render(config.parts(ex.objective)[0])
    raise TypeError(
      f"objective {name} does not return {{'loss': [B], ...}}, a loss for each "
      'example'
    )
  return values


def sums(
  ex: Experiment,
  measures,
  data: Batch,
  hyper: Hyper,
  state: State,
  index,
  axis=None,
):
  """The sums of the measures over the examples at `index`, a pair (into data,
  in the split) of [n, b] padded with -1; over the devices too with an axis."""

  def body(_, index):
    weight_b = index[1] >= 0
    # What compares examples gets a full batch: the first ones are there again.
    first_b = jnp.arange(len(weight_b)) % data.size
    at_b, position_b = (jnp.where(weight_b, i, first_b) for i in index)
    values = _measured(ex, measures, data, hyper, state, at_b, position_b)
    return None, {k: _weighted_sum(v, weight_b) for k, v in values.items()}

  _, sums_n = lax.scan(body, None, index)
  total = {k: v.sum(0) for k, v in sums_n.items()}
  return total if axis is None else lax.psum(total, axis)


def _weighted_sum(value_b, weight_b):
  weight = weight_b.reshape(-1, *[1] * (value_b.ndim - 1))
  # Not a product: a padded row must not turn a sum into NaN.
  return jnp.where(weight, value_b, 0.0).sum(0)


def derived(means: dict) -> dict:
  """The figures as plain numbers and lists, with those that follow from them:
  psnr_db, consistency_db; active_units in the place of its moments, onset_f1
  and shares of what is right in the place of counts."""
  values = {name: np.asarray(mean).tolist() for name, mean in means.items()}
  if 'mse' in values:
    values['psnr_db'] = psnr(values['mse'])
  if 'consistency_mse' in values:
    values['consistency_db'] = psnr(values['consistency_mse'])
  if {'z_mean', 'z_mean_square'} <= means.keys():
    del values['z_mean'], values['z_mean_square']
    variance_Z = means['z_mean_square'] - means['z_mean'] ** 2
    # Burda et al. 2016: a latent whose mean moves by more than this is used.
    values['active_units'] = int((variance_Z > 0.01).sum())
  if 'onsets_right' in means:
    wanted, said, right = (
      values.pop(f'onsets_{name}') for name in ('wanted', 'said', 'right')
    )
    values['onset_f1'] = 2 * right / max(wanted + said, 1e-9)
  if 'kinds_right' in means:
    pairs = zip(values.pop('kinds_right'), values.pop('kinds'), strict=True)
    shares = [right / max(count, 1e-9) for right, count in pairs]
    names = 'accuracy_free_hold', 'accuracy_free_off', 'accuracy_free_onset'
    values |= dict(zip(names, shares, strict=True))
  return values

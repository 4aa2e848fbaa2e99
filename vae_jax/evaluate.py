"""Measures of a trained model, pooled over a whole split on all devices.

A measure is (model, params, example, key_B, hyper) -> {name: value_B}; the
pooled figure is the mean over the split, whatever its size.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vae_jax import config, objectives, train, views
from vae_jax.similarity import ssim

# Folded into a run's key, these meet no step's: steps stay below 2 ** 31.
EVALUATION = 0xFFFFFFFF
BATCH = 128  # examples that are measured at once, at most
PIECE = 8192  # examples of a split on the host that are sent at once
BASELINES = 0xFFFFFFFE
IMPORTANCE = 0xFFFFFFFD


def elbo(model, params, example, key_B, hyper):
  """-ELBO and its two parts per example, in nats: [B]."""
  del hyper
  z_BZ, kl_BG = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  kl_B = kl_BG.sum(-1)
  return {'nelbo_nats': nll_B + kl_B, 'nll_nats': nll_B, 'kl_nats': kl_B}


def kl_per_latent(model, params, example, key_B, hyper):
  """KL of each latent in nats: [B, Z]; nothing if they do not factorise."""
  del hyper
  _, kl_BG = model.infer(params, example, key_B)
  if kl_BG.shape[-1] != model.latents:
    return {}
  return {'kl_per_latent_nats': kl_BG}


def active_latents(model, params, example, key_B, hyper):
  """First and second moments of z_mean, for the active units: [B, Z]."""
  del key_B, hyper
  z_BZ = model.encode(params, example.seen, example.given).mean
  return {'z_mean': z_BZ, 'z_mean_square': z_BZ**2}


def reconstruction(model, params, example, key_B, hyper):
  """-log likelihood at the mean code, in nats, and the same per pixel: [B]."""
  del key_B, hyper
  z_BZ = model.encode(params, example.seen, example.given).mean
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  pixels = example.wanted[0].size
  return {'nll_nats': nll_B, 'nll_nats_per_pixel': nll_B / pixels}


def mistaken_elbo(model, params, example, key_B, hyper):
  """The value of objectives.mistaken_elbo, which says what is wrong: [B]."""
  del hyper
  parts = objectives.mistaken_parts(model, params, example, key_B)
  return {'mistaken_loss': sum(parts)}


def sparseness(model, params, example, key_B, hyper, threshold: float = 0.0):
  """Of the code: mean |z|, the share of |z| above the threshold, and Hoyer's
  sparseness (2004), 0 if all are equal, 1 if one alone is not 0: [B].

  Only the last two do not change with the scale of the code.
  """
  del key_B, hyper
  z_BZ = jnp.abs(model.encode(params, example.seen, example.given).mean)
  count = model.active
  return {
    'mean_activation': z_BZ.sum(-1) / count,
    'active_share': (z_BZ > threshold).sum(-1) / count,
    'hoyer_sparseness': hoyer(z_BZ, count),
  }


def hoyer(z_BZ, count):
  """(sqrt(n) - L1 / L2) / (sqrt(n) - 1) of each code of `count` values: [B]; 0
  for a code of zeros or of one value."""
  root = jnp.sqrt(jnp.float32(count))
  l1_B, l2_B = jnp.abs(z_BZ).sum(-1), jnp.sqrt((z_BZ**2).sum(-1))
  ratio_B = l1_B / jnp.where(l2_B > 0, l2_B, 1.0)
  sparse_B = (root - ratio_B) / jnp.maximum(root - 1, 1e-6)
  return jnp.where(l2_B > 0, sparse_B, 0.0)


def quality(model, params, example, key_B, hyper):
  """Squared error and SSIM of the mean image against the wanted one: [B]."""
  del key_B, hyper
  image_BHWC = model.reconstruct(params, example.seen, example.given)
  return image_quality(image_BHWC, example.wanted)


def accuracy(model, params, example, key_B, hyper):
  """Of a classifier: whether the likeliest class is the right one, 0 or 1, and
  -log p of the right one in nats: [B]."""
  del key_B, hyper
  z_BZ = model.encode(params, example.seen, example.given).mean
  outputs = model.decode(params, z_BZ, example.given)
  right_B = outputs.argmax(-1) == example.wanted.argmax(-1)
  return {
    'accuracy': right_B.reshape(len(right_B), -1).mean(-1),
    'nll_nats': -model.log_likelihood(outputs, example.wanted),
  }


def consistency(model, params, example, key_B, hyper):
  """Squared error of the mean image, made as small as what was seen by area
  means, against what was seen: [B]."""
  del key_B, hyper
  image_BHWC = model.reconstruct(params, example.seen, example.given)
  return {'consistency_mse': inconsistency(image_BHWC, example.seen)}


def inconsistency(image_BHWC, seen_BHWC):
  """Squared error of the area means of images, clipped to [0, 1], against the
  small images seen_BHWC: [B]; ValueError if the sizes are no multiples."""
  factor = whole_factor(seen_BHWC.shape, image_BHWC.shape)
  small_BHWC = views.area_means(jnp.clip(image_BHWC, 0.0, 1.0), factor)
  return ((small_BHWC - seen_BHWC) ** 2).mean((1, 2, 3))


def whole_factor(small, large) -> int:
  """How many times as large images [B, H, W, C] of shape `large` are."""
  factor = large[1] // small[1]
  if tuple(factor * n for n in small[1:3]) != tuple(large[1:3]):
    raise ValueError(
      f'images of {large[1]}x{large[2]} are not a whole number of times as '
      f'large as {small[1]}x{small[2]}'
    )
  return factor


def image_quality(image_BHWC, wanted_BHWC):
  """{'mse': [B], 'ssim': [B]} of images in [0, 1], clipped to that range."""
  image_BHWC = jnp.clip(image_BHWC, 0.0, 1.0)
  mse_B = ((image_BHWC - wanted_BHWC) ** 2).mean((1, 2, 3))
  return {'mse': mse_B, 'ssim': ssim(image_BHWC, wanted_BHWC)}


def over(ex, measures, devices=None, batch_size: int | None = None):
  """A function (data, hyper, state) -> {name: figure} pooled over the split.

  Any size of split on any number of devices: what is padded weighs 0. Data on
  the host is sent piece by piece, so it may be larger than a device.
  """
  f = functools.partial(sums, ex, measures)
  call = train.over_devices(f, donate=(), devices=devices)
  count = len(devices or jax.local_devices())

  def evaluate(data, hyper, state):
    total, parts = 0, []
    size = batch_size or at_once(ex, data)
    for piece, at_DnB, position_DnB in pieces(data, count, size):
      sums = call(piece, hyper, state, (at_DnB, position_DnB))
      parts.append(jax.device_get(sums))
      total += (position_DnB >= 0).sum()
    means = {k: sum(part[k] for part in parts) / total for k in parts[0]}
    return derived({name: np.asarray(mean) for name, mean in means.items()})

  return evaluate


def at_once(ex, data) -> int:
  """How many examples of a split are measured at once."""
  seen = config.example_shapes(ex, data).seen.shape
  return train.cached(ex, seen, BATCH)


def pieces(data, devices: int, batch_size: int, rows: int = PIECE):
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


def names(ex, data) -> list[str]:
  """What the experiment's measures are called on this data; runs nothing."""
  key, hyper = jax.random.key(0), ex.hyper()
  init = functools.partial(train.init, ex=ex, hyper=hyper)
  state = jax.eval_shape(lambda data: init(key, data=data), data)
  measure = functools.partial(_measured, ex, ex.measures)
  shapes = jax.eval_shape(measure, data, hyper, state, jnp.zeros(2, int))
  means = {name: np.zeros(v.shape[1:]) for name, v in shapes.items()}
  return list(derived(means))


def _measured(ex, measures, data, hyper, state, index_b, position_b=None):
  position_b = index_b if position_b is None else position_b
  model = ex.model(data).bind(hyper.z_mask)
  key_view, key_latent = jax.random.split(evaluation_key(state))
  example = viewed(ex, data, hyper, key_view, index_b, position_b)
  latent_b, values = keys_at(key_latent, position_b), {}
  for i, measure in enumerate(measures):
    # A key of its own for each: two of them may draw.
    key_b = jax.vmap(jax.random.fold_in, (0, None))(latent_b, i)
    values |= measure(model, state.params, example, key_b, hyper)
  return values


def sums(ex, measures, data, hyper, state, index, axis=None):
  """The sums of the measures over the examples at `index`, a pair (into data,
  in the split) of [n, b] padded with -1; over the devices too with an axis."""

  def body(_, index):
    at_b, position_b = index
    values = _measured(ex, measures, data, hyper, state, at_b, position_b)
    weight_b = position_b >= 0
    return None, {k: _weighted_sum(v, weight_b) for k, v in values.items()}

  _, sums_n = lax.scan(body, None, index)
  total = {k: v.sum(0) for k, v in sums_n.items()}
  return total if axis is None else lax.psum(total, axis)


def viewed(ex, data, hyper, key_view, index_b, position_b=None):
  """The view of the examples at index_b, keys by position in the split, the
  index itself if not said: an Example."""
  position_b = index_b if position_b is None else position_b
  return ex.view(data.take(index_b), keys_at(key_view, position_b), hyper)


def keys_at(key, index_b):
  """A key per position in the split: [b]. So the noise is the same however the
  split is cut into batches."""
  return jax.vmap(jax.random.fold_in, (None, 0))(key, index_b)


def _weighted_sum(value_b, weight_b):
  weight = weight_b.reshape(-1, *[1] * (value_b.ndim - 1))
  # Not a product: a padded row must not turn a sum into NaN.
  return jnp.where(weight, value_b, 0.0).sum(0)


def derived(means: dict) -> dict:
  """Figures that follow from pooled means: psnr_db, consistency_db,
  active_units, a list of kl_per_latent_nats."""
  figures = {k: float(v) for k, v in means.items() if np.ndim(v) == 0}
  if 'kl_per_latent_nats' in means:
    figures['kl_per_latent_nats'] = means['kl_per_latent_nats'].tolist()
  if 'mse' in figures:
    figures['psnr_db'] = psnr(figures['mse'])
  if 'consistency_mse' in figures:
    figures['consistency_db'] = psnr(figures['consistency_mse'])
  if 'z_mean_square' in means:
    variance_Z = means['z_mean_square'] - means['z_mean'] ** 2
    # Burda et al. 2016: a latent whose mean moves by more than this is used.
    figures['active_units'] = int((variance_Z > 0.01).sum())
  return figures


def psnr(mse: float) -> float:
  """Peak signal to noise of images in [0, 1] with this pooled MSE, in dB."""
  return float(-10 * np.log10(max(mse, 1e-12)))


def examples(ex, data, hyper, key):
  """The view of a whole split, keys by position.

  With the test split and the evaluation key, the very images that the measures
  saw.
  """
  return _examples(ex.view, data, hyper, key)


# By the view and not by the experiment: runs that differ elsewhere share it.
@functools.partial(jax.jit, static_argnames='view')
def _examples(view, data, hyper, key):
  key_view, _ = jax.random.split(key)
  return view(data, keys_at(key_view, jnp.arange(data.size)), hyper)


def looks(ex, data, hyper, seed: int) -> list:
  """What the view shows of a few examples with this key, as host arrays: runs
  for which it is the same for all keys see the same images."""
  few = jax.tree.map(lambda x: x[:16], data)
  return jax.tree.leaves(
    jax.device_get(examples(ex, few, hyper, jax.random.key(seed)))
  )


def same_arrays(a: list, b: list) -> bool:
  """Whether two lists hold equal arrays."""
  return all(map(np.array_equal, a, b))


def evaluation_key(state):
  """The key from which a split's noise is drawn, the same at every test."""
  return jax.random.fold_in(state.key, EVALUATION)

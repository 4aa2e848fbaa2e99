"""Importance-sampled log likelihood (Burda et al. 2016, eq. 8).

  log p(x) ~ log 1/S sum_s p(x given z_s) p(z_s) / q(z_s given x)

with S draws z_s of the posterior: a lower bound in expectation, the ELBO for
one draw, log p(x) itself for many.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from vae_jax import config, hosts
from vae_jax.config.experiment import Experiment
from vae_jax.data import Batch, spread
from vae_jax.factors.hyper import Hyper
from vae_jax.measures import examples
from vae_jax.measures.pooled import padded_index
from vae_jax.training import State, replicate
from vae_jax.training.devices import Layout

# Decodings at once. On CPU their outputs should stay in the cache, and a matrix
# product is no faster for more rows.
ROWS = {'cpu': 512}
ROWS_ELSEWHERE = 16_384


def nll(
  ex: Experiment, layout: Layout, batch_size: int = 128, rows: int | None = None
):
  """A function (data, hyper, state) -> {'nll_iw_nats': ..., its standard error
  over the images, how many samples and images, bits_per_dim where that is a
  code length} for each run; {} where a posterior is no density or nll_samples
  is 0.

  Any number of images, from all over the split, on any number of devices;
  neither those, batch_size nor `rows` decoded at once change the estimate.
  """
  rows = rows or rows_on(layout.devices)

  def measure(data: Batch, hyper: Hyper, state: State) -> list[dict]:
    if not measured(ex):
      return [{}] * layout.count
    # A split may be sorted by class.
    chosen = spread(data.size, ex.nll_images)
    few = replicate(data.take(chosen), layout.devices)
    size, chunk = batch_and_chunk(
      ex, -(-len(chosen) // layout.shares), rows, batch_size
    )
    f = functools.partial(log_likelihood, ex, ex.nll_samples, chunk)
    call = layout.each(f, reduced=False)
    at_DnB = padded_index(len(chosen), layout.shares, size)
    position_DnB = np.where(at_DnB >= 0, chosen[at_DnB], -1).astype(np.int32)
    # A call per batch: a signal need not wait for all of them.
    log_p_nRDB = []
    for i in range(at_DnB.shape[1]):
      hosts.mark('call')
      index = at_DnB[:, i], position_DnB[:, i]
      log_p_nRDB.append(call(few, hyper, state, index))
    log_p_RDnB = np.stack(log_p_nRDB, 2).astype(np.float64)
    return [
      as_results(ex, data, log_p_N) for log_p_N in log_p_RDnB[:, at_DnB >= 0]
    ]

  return measure


def batch_and_chunk(
  ex: Experiment, images: int, rows: int, batch_size: int
) -> tuple[int, int]:
  """(images a batch, draws of each at once) for so many images on a device, at
  most `rows` decoded at once."""
  size = evened(images, batch_size)
  return size, evened(ex.nll_samples, rows // size)


def evened(count: int, most: int) -> int:
  """The size of the fewest pieces of at most `most`, as even as they can be."""
  pieces = -(-count // max(1, most))
  return -(-count // pieces)


def rows_on(devices) -> int:
  """Decodings at once on such devices."""
  return ROWS.get(devices[0].platform, ROWS_ELSEWHERE)


def measured(ex: Experiment) -> bool:
  """Whether this experiment has a likelihood to estimate and wants it."""
  return ex.nll_samples > 0 and ex.posterior(ex.latents).density


def as_results(ex: Experiment, data: Batch, log_p_N) -> dict:
  """What results.json says about these log likelihoods in nats: [N]."""
  mean, n = float(-log_p_N.mean()), len(log_p_N)
  values = {
    'nll_iw_nats': mean,
    'nll_iw_stderr_nats': stderr(log_p_N),
    'nll_iw_samples': ex.nll_samples,
    'nll_iw_images': n,
  }
  # A Bernoulli of grey pixels is a cross-entropy, no probability of them.
  if ex.likelihood().levels == data.scale + 1:
    dims = math.prod(config.example_shapes(ex, data).wanted.shape[1:])
    values['bits_per_dim'] = mean / (dims * math.log(2))
  return values


def stderr(value_N) -> float:
  """The standard error of the mean; NaN for a single value."""
  n = len(value_N)
  return float(value_N.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def log_likelihood(
  ex: Experiment,
  samples: int,
  chunk: int,
  data: Batch,
  hyper: Hyper,
  state: State,
  index,
  axis=None,
):
  """The estimate of log p(wanted) with `samples` draws, in nats: [B].

  `index` is a pair (into data, in the split) of [B]. Encodes once, then decodes
  `chunk` draws of every image at a time.
  """
  del axis  # every image by itself: nothing to reduce
  at_B, position_B = index
  ex = ex.bound(hyper)
  model = ex.model(data).bind(hyper.z_mask)
  # The very images that the other measures saw.
  key_view, _ = jax.random.split(examples.evaluation_key(state))
  example = examples.viewed(ex, data, key_view, at_B, position_B)
  key_B = examples.keys_at(importance_key(state), position_B)
  draw = model.log_weight(state.params, example)

  def log_weight(sample):
    return draw(jax.vmap(jax.random.fold_in, (0, None))(key_B, sample))

  def body(total, sample_S):
    log_w_SB = jax.vmap(log_weight)(sample_S)
    # The last chunk may have more draws than were asked for.
    log_w_SB = jnp.where(sample_S[:, None] < samples, log_w_SB, -jnp.inf)
    return added(total, log_w_SB), None

  chunks = -(-samples // chunk)
  sample_nS = jnp.arange(chunks * chunk).reshape(chunks, chunk)
  # Finite: -inf less -inf would be NaN.
  peak_B = jnp.full(len(at_B), jnp.finfo(jnp.float32).min)
  start = (peak_B, jnp.zeros(len(at_B)))
  (peak_B, sum_B), _ = lax.scan(body, start, sample_nS)
  return peak_B + jnp.log(sum_B) - math.log(samples)


def added(total, log_w_SB):
  """(peak, sum of exp(log_w - peak)) with more weights: [B] each."""
  old_B, sum_B = total
  peak_B = jnp.maximum(old_B, log_w_SB.max(0))
  more_B = jnp.exp(log_w_SB - peak_B[None]).sum(0)
  return peak_B, sum_B * jnp.exp(old_B - peak_B) + more_B


def importance_key(state: State):
  """The key of the draws, which no measure and no step has."""
  return jax.random.fold_in(state.key, examples.IMPORTANCE)

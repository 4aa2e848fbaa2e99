"""What is minimised: nats per example, sums over pixels and latents.

An objective is a measure with a loss: (model, params, example, key_B) ->
{'loss': [B], ...: [B]}, of which the step takes the mean; beta = 1 is the ELBO.
One that compares examples does so through model.gather, which says so.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from vae_jax.factors.hyper import Positive, Share
from vae_jax.images import ssim


def elbo(
  model,
  params,
  example,
  key_B,
  beta: Positive = 1.0,
  free_bits: Positive = 0.0,
):
  """-ELBO with beta and free bits (Kingma & Welling 2014, eq. 10; Higgins et
  al. 2017; free bits on the whole KL as in Roberts et al. 2018)."""
  z_BZ, kl_BG = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  kl_B = kl_BG.sum(-1)
  loss_B = nll_B + beta * above_free_bits(kl_B, free_bits)
  parts = {'nelbo_nats': nll_B + kl_B, 'nll_nats': nll_B, 'kl_nats': kl_B}
  return {'loss': loss_B} | parts


def scheduled_elbo(
  model,
  params,
  example,
  key_B,
  own: Share = 0.5,
  beta: Positive = 1.0,
  free_bits: Positive = 0.0,
):
  """elbo of a decoder that goes on from a class that it has drawn itself, not
  from the right one, in this share of the steps (Bengio et al. 2015): no bound,
  so measure elbo beside it. `--set=schedule.own=...` lets the share grow."""
  key_q, key_own = jax.vmap(lambda key: tuple(jax.random.split(key)))(key_B)
  z_BZ, kl_BG = model.infer(params, example, key_q)
  outputs = model.decode(
    params, z_BZ, example.given, example.wanted, key=key_own, own=own
  )
  mixed_B = -model.log_likelihood(outputs, example.wanted)
  kl_B = kl_BG.sum(-1)
  loss_B = mixed_B + beta * above_free_bits(kl_B, free_bits)
  return {'loss': loss_B, 'mixed_nats': mixed_B, 'kl_nats': kl_B}


def above_free_bits(kl_B, free_bits):
  """The nats of kl_B that are not free: [B]; kl_B itself for 0 bits."""
  paid_B = jnp.maximum(kl_B - free_bits * math.log(2), 0.0)
  return jnp.where(free_bits > 0, paid_B, kl_B)


def reconstruction(model, params, example, key_B):
  """-log p(wanted given the code): what a plain autoencoder minimises; the same
  per pixel beside it."""
  z_BZ, _ = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  return {'loss': nll_B} | _in_both_units(nll_B, example)


def _in_both_units(nll_B, example):
  # Else XLA computes the likelihood once for each: 8 % of a small step.
  nll_B = lax.optimization_barrier(nll_B)
  per_pixel_B = nll_B / example.wanted[0].size
  return {'nll_nats': nll_B, 'nll_nats_per_pixel': per_pixel_B}


def structural(model, params, example, key_B):
  """1 - SSIM of the mean image, times the number of pixels: no likelihood, and
  not in nats, but of a size with them (Snell et al. 2017)."""
  z_BZ, _ = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  image_BHWC = model.likelihood.mean(outputs)
  loss_B = example.wanted[0].size * (1 - ssim(image_BHWC, example.wanted))
  return {'loss': loss_B}


def sparse(model, params, example, key_B, sparsity: Positive = 0.0):
  """Reconstruction plus `sparsity` nats for each unit of the code's L1
  norm (Keras's activity regularizer)."""
  z_BZ, _ = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  l1_B = jnp.abs(z_BZ).sum(-1)
  return {
    'loss': nll_B + sparsity * l1_B,
    **_in_both_units(nll_B, example),
    'mean_activation': l1_B / model.active,
  }


def adversarial(model, params, example, key_B, beta: Positive = 1.0):
  """Reconstruction by codes that a critic cannot tell from draws of the prior
  (Makhzani et al. 2015): three losses that share no gradient, in one sum.

  The critic learns to tell them apart; the encoder, weighted by beta, to
  have its codes taken for draws. Where neither gains any more, critic_nats
  is 2 ln 2, generator_nats ln 2 and critic_accuracy 0.5.
  """
  key_q, key_p = jax.vmap(lambda key: tuple(jax.random.split(key, 2)))(key_B)
  z_BZ, _ = model.infer(params, example, key_q)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)

  draw_BZ = model.prior(params, example.given).sample(key_p)
  real_B = model.critic(params, lax.stop_gradient(draw_BZ))
  fake_B = model.critic(params, lax.stop_gradient(z_BZ))
  critic_B = jax.nn.softplus(-real_B) + jax.nn.softplus(fake_B)

  fooled_B = model.critic(lax.stop_gradient(params), z_BZ)
  generator_B = jax.nn.softplus(-fooled_B)  # the one that does not saturate

  return {
    'loss': nll_B + beta * generator_B + critic_B,
    **_in_both_units(nll_B, example),
    'critic_nats': critic_B,
    'generator_nats': generator_B,
    'critic_accuracy': 0.5 * (real_B > 0) + 0.5 * (fake_B < 0),
  }


def mistaken_elbo(model, params, example, key_B):
  """WRONG, kept to compare with the figures of the Keras examples, and not to
  be used for anything else.

  Squared error in place of a likelihood, and a KL that takes z_log_sigma for a
  log VARIANCE while the draws take it for a log standard deviation: it is the
  KL of no distribution that anything here draws from. No bound on log p(x).
  """
  q = model.encode(params, example.seen, example.given)
  z_BZ = q.sample(key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  difference = example.wanted - model.likelihood.mean(outputs)
  error_B = (difference.reshape(len(z_BZ), -1) ** 2).sum(-1)
  s_BZ = q.z_log_sigma
  kl_B = -0.5 * (1 + s_BZ - q.z_mean**2 - jnp.exp(s_BZ)).sum(-1)
  loss_B = error_B + kl_B
  return {'loss': loss_B, 'squared_error': error_B, 'mistaken_kl': kl_B}

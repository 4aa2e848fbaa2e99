"""What is minimised: nats per example, sums over pixels and latents.

An objective is (model, params, example, key_B, hyper) -> (loss, metrics). The
loss is a mean over the batch of per-example values; beta = 1 is the ELBO.
"""

import math

import flax.struct
import jax
import jax.numpy as jnp


@flax.struct.dataclass
class Hyper:
  """The numbers that a sweep may vary without compiling again."""

  learning_rate: jax.Array
  beta: jax.Array
  free_bits: jax.Array
  noise: jax.Array
  sparsity: jax.Array
  critic_rate: jax.Array
  z_mask: jax.Array | None = None  # [Z] of 0 and 1


def constant(hyper: Hyper, step) -> Hyper:
  """The schedule that changes nothing."""
  del step
  return hyper


def elbo(model, params, example, key_B, hyper):
  """-ELBO with beta and free bits (Kingma & Welling 2014, eq. 10; Higgins et
  al. 2017; free bits on the whole KL as in Roberts et al. 2018)."""
  z_BZ, kl_BG = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  kl_B = kl_BG.sum(-1)
  loss_B = nll_B + hyper.beta * above_free_bits(kl_B, hyper.free_bits)
  return loss_B.mean(), {
    'loss': loss_B.mean(),
    'nelbo_nats': (nll_B + kl_B).mean(),
    'nll_nats': nll_B.mean(),
    'kl_nats': kl_B.mean(),
  }


def above_free_bits(kl_B, free_bits):
  """The nats of kl_B that are not free: [B]; kl_B itself for 0 bits."""
  paid_B = jnp.maximum(kl_B - free_bits * math.log(2), 0.0)
  return jnp.where(free_bits > 0, paid_B, kl_B)


def reconstruction(model, params, example, key_B, hyper):
  """-log p(wanted given the code): what a plain autoencoder minimises."""
  del hyper
  z_BZ, _ = model.infer(params, example, key_B)
  outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
  nll_B = -model.log_likelihood(outputs, example.wanted)
  return nll_B.mean(), {'loss': nll_B.mean(), 'nll_nats': nll_B.mean()}

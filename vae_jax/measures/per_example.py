"""Measures of single examples: what is pooled over a split."""

import jax.numpy as jnp

from vae_jax.images import image_quality, inconsistency


def kl_per_latent(model, params, example, key_B):
  """KL of each latent in nats: [B, Z]; nothing if they do not factorise."""
  _, kl_BG = model.infer(params, example, key_B)
  if kl_BG.shape[-1] != model.latents:
    return {}
  return {'kl_per_latent_nats': kl_BG}


def active_latents(model, params, example, key_B):
  """First and second moments of z_mean, for the active units: [B, Z]."""
  del key_B
  z_BZ = model.encode(params, example.seen, example.given).mean
  return {'z_mean': z_BZ, 'z_mean_square': z_BZ**2}


def sparseness(model, params, example, key_B, threshold: float = 0.0):
  """Of the code: mean |z|, the share of |z| above the threshold, and Hoyer's
  sparseness (2004), 0 if all are equal, 1 if one alone is not 0: [B].

  Only the last two do not change with the scale of the code.
  """
  del key_B
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


def quality(model, params, example, key_B):
  """Squared error and SSIM of the mean image against the wanted one: [B]."""
  del key_B
  image_BHWC = model.reconstruct(params, example.seen, example.given)
  return image_quality(image_BHWC, example.wanted)


def accuracy(model, params, example, key_B):
  """Of a classifier: whether the likeliest class is the right one, 0 or 1, and
  -log p of the right one in nats: [B]."""
  del key_B
  z_BZ = model.encode(params, example.seen, example.given).mean
  outputs = model.decode(params, z_BZ, example.given)
  right_B = outputs.argmax(-1) == example.wanted.argmax(-1)
  return {
    'accuracy': right_B.reshape(len(right_B), -1).mean(-1),
    'nll_nats': -model.log_likelihood(outputs, example.wanted),
  }


def consistency(model, params, example, key_B):
  """Squared error of the mean image, made as small as what was seen by area
  means, against what was seen: [B]."""
  del key_B
  image_BHWC = model.reconstruct(params, example.seen, example.given)
  return {'consistency_mse': inconsistency(image_BHWC, example.seen)}

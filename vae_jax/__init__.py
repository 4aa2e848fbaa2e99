"""Autoencoders and variational autoencoders in JAX.

An experiment is a frozen value whose fields are numbers and pure functions;
one generic loop runs any of them:

  batch -> view -> encode -> reparameterise -> decode -> objective -> grads
        -> pmean -> update -> metrics -> picture

Dimension key, used as suffixes of names (`z_BZ` is batch x latents):

  B batch      H, W, C image height, width, channels     Z latents
  Y classes    L time         V notes                    N examples of a dataset
  K steps of one compiled call     R runs of a sweep     D devices
  G latents or groups of latents that carry a KL of their own
"""


def load(run_dir):
  """The model of a run directory, with encode, decode, reconstruct, generate.

  Images are [N, H, W, C] floats in [0, 1], codes [N, Z]; all host arrays.
  Raises an exception of one clear line if there is no model to load.
  """
  from vae_jax.runs import use

  return use.load(run_dir)

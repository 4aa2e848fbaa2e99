"""The networks that are measured, and jobs of them on made-up images."""

import dataclasses
import functools

import jax
import numpy as np

from experiments import conv_vae, vae
from vae_jax import data, networks
from vae_jax.config import grid
from vae_jax.runs import plan, throughput
from vae_jax.runs.prepare import Clock
from vae_jax.training.devices import ManyRuns, OneRun

IMAGES = 60_000  # as many as MNIST has
SIDE = 28


def mlp(small: bool, width: int = 500, **changes):
  """The dense VAE 784-width-20 on one device; a tiny one if small."""
  network = functools.partial(networks.mlp, widths=(16 if small else width,))
  ex = dataclasses.replace(vae.experiment, network=network, latents=20)
  return dataclasses.replace(ex, devices=1, **changes)


def conv(small: bool, **changes):
  """The convolutional VAE on one device; a tiny one if small."""
  ex = dataclasses.replace(conv_vae.experiment, latents=20, devices=1)
  if small:
    network = functools.partial(networks.conv, widths=(4,), dense=8)
    ex = dataclasses.replace(ex, network=network)
  return dataclasses.replace(ex, **changes)


@functools.cache
def images(small: bool) -> data.Batch:
  """Random pixels: what a step costs does not depend on them."""
  n = 256 if small else IMAGES
  x = np.random.default_rng(0).integers(0, 256, (n, SIDE**2), np.uint8)
  return data.Batch(x, None, shape=(SIDE, SIDE, 1))


def stepped(ex, small: bool, members: int = 1, stack: str = 'vmap') -> dict:
  """throughput.stepped of so many runs of ex, each with a seed of its own."""
  batch, devices = images(small), jax.local_devices()[:1]
  splits = {'train': batch, 'test': jax.tree.map(lambda x: x[:128], batch)}
  seeded = [dataclasses.replace(ex, seed=seed) for seed in range(members)]
  layout = OneRun(devices)
  if members > 1:
    layout = ManyRuns(devices, members, stack == 'vmap')
  job = plan.Job([grid.alone(one) for one in seeded], ex, layout, splits)
  with throughput.begun(job, Clock()) as run:
    return throughput.stepped(run)[1]

"""What all networks ask of shapes and heads, and small operations on images."""

import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from vae_jax.networks.layers import Dense


class Network(NamedTuple):
  """An encoder and a decoder, and what the program must know of them.

  A topology of its own, such as a hierarchy of latents, brings its own
  functions of a model in the place of those in factors/model.py.
  """

  encoder: nn.Module  # (seen, given) -> {head: [B, its size]}
  decoder: nn.Module  # (z, given) -> outputs [B, H, W, C * size]
  maskable: bool = False  # z comes last wherever it is concatenated
  # Seen pixels that are fastest at once on CPU, where the feature maps of so
  # many stay in the cache.
  cpu_pixels: int | None = None
  infer: Callable | None = None
  decode: Callable | None = None
  generate: Callable | None = None
  log_weight: Callable | None = None


class Critic(NamedTuple):
  """A network on codes: z [B, Z] -> logits [B, 1]."""

  net: nn.Module
  maskable: bool = False


def out_shape(shapes, size: int) -> tuple[int, int, int]:
  """(H, W, C * size): the shape of the outputs for one example."""
  height, width, channels = shapes.wanted
  return height, width, channels * size


def shrunk(n: int, halvings: int) -> int:
  """A length after so many halvings, each rounded up."""
  for _ in range(halvings):
    n = -(-n // 2)
  return n


def strides_to(seen, grids, name: str) -> tuple[int, ...]:
  """The stride, 1 or 2, of each layer from the sides of what is seen through
  these grids; or ValueError.

  Strides of 1 come first: an image that is small already is halved less often.
  """
  strides, at = [], tuple(seen[:2])
  for grid in grids:
    stride = 1 if at == tuple(grid) else 2
    at = tuple(shrunk(n, stride - 1) for n in at)
    if at != tuple(grid):
      raise ValueError(
        f'network {name!r} cannot come from images of {seen[0]}x{seen[1]} to '
        f'maps of {grid[0]}x{grid[1]} by halving once'
      )
    strides.append(stride)
  return tuple(strides)


def halvings(seen, grid, most: int, name: str) -> int:
  """How often sides are halved, rounded up, until they are those of the grid:
  0 .. most; or ValueError."""
  for count in range(most + 1):
    if tuple(shrunk(n, count) for n in seen[:2]) == tuple(grid):
      return count
  raise ValueError(
    f'network {name!r} cannot come from images of {seen[0]}x{seen[1]} to a '
    f'code of {grid[0]}x{grid[1]} by halving at most {most} times'
  )


def code_channels(latents: int, grid, name: str) -> int:
  """Channels of a code map of `latents` values on this grid; or ValueError."""
  cells = math.prod(grid)
  if latents % cells or latents < cells:
    near = max(1, round(latents / cells)) * cells
    raise ValueError(
      f'the code of network {name!r} is a map of {grid[0]}x{grid[1]}: latents '
      f'must be a multiple of {cells}, not {latents}; the nearest is {near}'
    )
  return latents // cells


def with_given(x_BF, given):
  """x_BF after the features it is given, if any."""
  if given is None:
    return x_BF
  return jnp.concatenate([given.reshape(given.shape[0], -1), x_BF], -1)


def dense_heads(x_BF, heads) -> dict:
  """One dense layer for each of the pairs (name, size): {name: [B, size]}."""
  if any(size is None for _, size in heads):
    raise ValueError('latents=None: this network has no size of its own')
  return {name: Dense(size, name=name)(x_BF) for name, size in heads}


def only_head(heads: dict, network: str) -> str:
  """The name of the one head of a code that a network makes whole; ValueError
  if a posterior wants more."""
  if len(heads) > 1:
    raise ValueError(
      f'network {network} makes a code and no {", ".join(list(heads)[1:])}: '
      'use posteriors.point'
    )
  return next(iter(heads))


def flat(x_BHWC):
  """[B, H, W, C] -> [B, H*W*C]."""
  return x_BHWC.reshape(x_BHWC.shape[0], -1)


def cropped(x_BHWC, outputs):
  """The top left H x W of x_BHWC: halvings that rounded up overshoot."""
  return x_BHWC[:, : outputs[0], : outputs[1]]


def depth_to_space(x_BHWC, factor: int = 2):
  """[B, H, W, f f C] -> [B, f H, f W, C]: sub-pixel up-sampling."""
  b, h, w, c = x_BHWC.shape
  c //= factor**2
  x = x_BHWC.reshape(b, h, w, factor, factor, c).transpose(0, 1, 3, 2, 4, 5)
  return x.reshape(b, factor * h, factor * w, c)


def parameter_count(params) -> int:
  """Number of values in a tree of parameters."""
  return sum(leaf.size for leaf in jax.tree.leaves(params))

"""Convolutions as matrix products, for XLA:CPU.

XLA:CPU runs the gradients of its own convolution tens of times slower inside
`lax.scan` than these (jax issue 12868). Every form here is one of two adjoint
maps between a big image and a small one, with a kernel [h, w, C big, S small]:

  shrink: big -> small, gather patches, then one product   (a convolution)
  spread: small -> big, one product, then add up patches   (its transpose)

Each is the other's gradient, and both have the same gradient to the kernel.
As `jax.custom_vjp` they have no forward-mode derivative.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

AXES = (0, 1)  # rows and columns


class Geometry(NamedTuple):
  """Tap t of small pixel n is big pixel n * stride + t - low, on each axis."""

  taps: tuple[int, int]
  stride: int
  low: tuple[int, int]
  big: tuple[int, int]
  small: tuple[int, int]

  def high(self):
    """Big pixels that the last tap lacks; negative if the last are unused."""
    last = [(self.small[a] - 1) * self.stride + self.taps[a] for a in AXES]
    return [last[a] - self.low[a] - self.big[a] for a in AXES]


def conv(x_BHWC, kernel_HWIO, stride, pads):
  """`lax.conv_general_dilated` as a product: [B, H', W', O]."""
  taps, (inputs, outputs) = kernel_HWIO.shape[:2], kernel_HWIO.shape[2:]
  low, big = tuple(lo for lo, _ in pads), x_BHWC.shape[1:3]
  small = conv_size(big, taps, stride, pads)
  if is_thin(stride, inputs, outputs):
    low = tuple(taps[a] - 1 - low[a] for a in AXES)
    g = Geometry(taps, 1, low, big=small, small=big)
    return spread(x_BHWC, mirror(kernel_HWIO), g)
  g = Geometry(taps, stride, low, big, small)
  form = shrink_by_phases if is_fat(g, inputs, outputs) else shrink
  return form(x_BHWC, kernel_HWIO, g)


def conv_transpose(x_BHWC, kernel_HWIO, stride, pads):
  """`lax.conv_transpose` as a product: [B, H', W', O]."""
  if stride == 1:
    return conv(x_BHWC, kernel_HWIO, 1, pads)
  taps, (inputs, outputs) = kernel_HWIO.shape[:2], kernel_HWIO.shape[2:]
  low = tuple(taps[a] - 1 - pads[a][0] for a in AXES)
  small = x_BHWC.shape[1:3]
  dilated = [(n - 1) * stride + 1 for n in small]
  g = Geometry(taps, stride, low, conv_size(dilated, taps, 1, pads), small)
  form = spread_by_phases if is_fat(g, inputs, outputs) else spread
  return form(x_BHWC, mirror(kernel_HWIO), g)


def upsample_conv(x_BHWC, kernel_HWIO, pads):
  """`conv` of the image repeated 2 x 2, at the small size: [B, H', W', O]."""
  # Of the taps of one output pixel several fall on one small pixel, so the
  # kernel of each of the four phases is a sum of taps of the kernel.
  taps, dtype = kernel_HWIO.shape[:2], kernel_HWIO.dtype
  rows, columns = (tap_sums(taps[a], pads[a][0], dtype) for a in AXES)
  kernel = jnp.einsum('pat,qbu,tuio->abipqo', rows, columns, kernel_HWIO)
  kernel = kernel.reshape(*kernel.shape[:3], -1)
  small = x_BHWC.shape[1:3]
  big = conv_size([2 * n for n in small], taps, 1, pads)
  low = [-(-pads[a][0] // 2) for a in AXES]
  last = [-(-big[a] // 2) - 1 + kernel.shape[a] for a in AXES]
  pads = tuple((low[a], last[a] - low[a] - small[a]) for a in AXES)
  y = conv(x_BHWC, kernel, 1, pads)
  return depth_to_space(jnp.split(y, 4, axis=3), 2, big)


def conv_phases(x_BHWC, kernel_HWIO, pads):
  """The four images of every second pixel of `conv`: 4 x [B, h, w, O]."""
  # One product, whose kernel holds four shifted copies of the kernel.
  taps, big = kernel_HWIO.shape[:2], x_BHWC.shape[1:3]
  copies = [
    jnp.pad(kernel_HWIO, ((i, 1 - i), (j, 1 - j), (0, 0), (0, 0)))
    for i, j in np.ndindex(2, 2)
  ]
  kernel = jnp.concatenate(copies, axis=3)
  low = tuple(lo for lo, _ in pads)
  small = tuple(n // 2 for n in conv_size(big, taps, 1, pads))
  g = Geometry(kernel.shape[:2], 2, low, big, small)
  return jnp.split(shrink(x_BHWC, kernel, g), 4, axis=3)


def is_thin(stride, inputs, outputs):
  """Whether the outputs are so few that spreading them moves less memory."""
  return stride == 1 and 2 * outputs <= inputs


def is_fat(g, inputs, outputs):
  """Whether one product should make all the phases of a strided kernel."""
  two_steps = g.stride > 1 and set(g.taps) == {2 * g.stride}
  return two_steps and min(inputs, outputs) >= 32


def folds_pool(x_BHWC, kernel_HWIO, pads):
  """Whether `conv_phases` applies and is faster than `conv`."""
  size = conv_size(x_BHWC.shape[1:3], kernel_HWIO.shape[:2], 1, pads)
  few = kernel_HWIO.shape[2] <= 4 and min(kernel_HWIO.shape[:2]) >= 3
  return few and all(n % 2 == 0 for n in size)


def conv_size(size, taps, stride, pads):
  """Height and width of a convolution."""
  return tuple((size[a] + sum(pads[a]) - taps[a]) // stride + 1 for a in AXES)


def mirror(kernel_HWIO):
  """The kernel seen from the outputs: [h, w, O, I], both axes reversed."""
  return jnp.swapaxes(kernel_HWIO[::-1, ::-1], 2, 3)


def tap_sums(taps, low, dtype):
  """1 where a tap of a phase falls on a small tap: [2, small taps, taps]."""
  phase, tap = np.ogrid[:2, :taps]
  pixel = (phase + tap - low) // 2
  pixels = np.arange(pixel.min(), pixel.max() + 1)
  return jnp.asarray(pixel[:, None] == pixels[:, None], dtype)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def shrink(x_BHWC, kernel_HWCS, g):
  """Patches of the big image times the kernel: [B, h, w, S]."""
  kernel = kernel_HWCS.reshape(-1, kernel_HWCS.shape[3])
  return dot(gather(x_BHWC, g), kernel, (3,), (0,)).astype(x_BHWC.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def spread(x_BHWS, kernel_HWCS, g):
  """The sum of kernels, one for each small pixel: [B, H, W, C]."""
  patches = dot(x_BHWS, kernel_HWCS, (3,), (3,))
  return scatter(patches, g).astype(x_BHWS.dtype)


def kernel_gradient(big_BHWC, small_BHWS, g):
  """Gradient of <small, shrink(big, kernel)> to the kernel: [h, w, C, S]."""
  images = (0, 1, 2)
  kernel = dot(gather(big_BHWC, g), small_BHWS, images, images)
  shape = (*g.taps, big_BHWC.shape[3], small_BHWS.shape[3])
  return kernel.reshape(shape).astype(big_BHWC.dtype)


def keep(form, x, kernel, g):
  """The result, and what its gradients need."""
  # The patches are gathered again: as fast as to keep them, in less memory.
  return form(x, kernel, g), (x, kernel)


def shrink_gradients(g, kept, ct_BHWS):
  """Gradients to the big image and to the kernel."""
  x_BHWC, kernel = kept
  return spread(ct_BHWS, kernel, g), kernel_gradient(x_BHWC, ct_BHWS, g)


def spread_gradients(g, kept, ct_BHWC):
  """Gradients to the small image and to the kernel."""
  x_BHWS, kernel = kept
  return shrink(ct_BHWC, kernel, g), kernel_gradient(ct_BHWC, x_BHWS, g)


shrink.defvjp(partial(keep, shrink), shrink_gradients)
spread.defvjp(partial(keep, spread), spread_gradients)


def dot(x, y, x_axes, y_axes):
  """The product over the given axes, summed in float32 or wider."""
  axes = ((x_axes, y_axes), ((), ()))
  dtype = jnp.promote_types(x.dtype, jnp.float32)
  return lax.dot_general(x, y, axes, preferred_element_type=dtype)


def gather(x_BHWC, g):
  """The patch of the big image under each small pixel: [B, h, w, taps * C]."""
  x = pad(x_BHWC, g.low, g.high())
  rows, columns = ((n - 1) * g.stride + 1 for n in g.small)
  patches = [
    lax.slice(
      x,
      (0, i, j, 0),
      (x.shape[0], i + rows, j + columns, x.shape[3]),
      (1, g.stride, g.stride, 1),
    )
    for i, j in np.ndindex(*g.taps)
  ]
  return jnp.concatenate(patches, axis=3)


def scatter(x_BHWhwC, g):
  """Patches added up where they overlap: [B, H, W, C]."""
  # Every second big pixel, say, is a sum of whole taps: phase by phase, no
  # zeros between pixels are written or added.
  phases = [phase_of(x_BHWhwC, at, g) for at in np.ndindex(g.stride, g.stride)]
  return depth_to_space(phases, g.stride, g.big)


def phase_of(x_BHWhwC, at, g):
  """Big pixels `at` modulo the stride: [B, H / stride, W / stride, C]."""
  size = [-(-n // g.stride) for n in g.big]
  B, *_, C = x_BHWhwC.shape
  y = jnp.zeros((B, *size, C), x_BHWhwC.dtype)
  for tap in np.ndindex(*g.taps):
    shift = [tap[a] - g.low[a] - at[a] for a in AXES]
    if all(n % g.stride == 0 for n in shift):
      low = [n // g.stride for n in shift]
      high = [size[a] - g.small[a] - low[a] for a in AXES]
      y += pad(x_BHWhwC[:, :, :, *tap], low, high)
  return y


def shrink_by_phases(x_BHWC, kernel_HWCS, g):
  """`shrink` of two strides' taps, all phases in one product: [B, h, w, S]."""
  x = pad(x_BHWC, g.low, g.high())
  x = space_to_depth(x, g.stride)
  return spread(x, phase_kernel(kernel_HWCS, g.stride), phase_geometry(g))


def spread_by_phases(x_BHWS, kernel_HWCS, g):
  """`spread` of two strides' taps, all phases in one product: [B, H, W, C]."""
  kernel = phase_kernel(kernel_HWCS, g.stride)
  y = shrink(x_BHWS, kernel, phase_geometry(g))
  size = [n * g.stride for n in y.shape[1:3]]
  y = depth_to_space(jnp.split(y, g.stride**2, axis=3), g.stride, size)
  return pad(y, [-n for n in g.low], [-n for n in g.high()])


def phase_geometry(g):
  """A pixel of small size n meets the 2 x 2 blocks n and n + 1 of the big."""
  return Geometry((2, 2), 1, (1, 1), g.small, tuple(n + 1 for n in g.small))


def phase_kernel(kernel_HWCS, s):
  """The kernel between blocks of the big image: [2, 2, S, s * s * C]."""
  C, S = kernel_HWCS.shape[2:]
  kernel = kernel_HWCS.reshape(2, s, 2, s, C, S)[::-1, :, ::-1]
  return kernel.transpose(0, 2, 5, 1, 3, 4).reshape(2, 2, S, s * s * C)


def depth_to_space(phases, stride, size):
  """The image of the given size that has these phases, row by row."""
  if stride == 1:
    return phases[0]
  B, h, w, C = phases[0].shape
  rows = [
    jnp.stack(phases[i : i + stride], axis=3)
    for i in range(0, stride**2, stride)
  ]
  y = jnp.stack(rows, axis=2).reshape(B, stride * h, stride * w, C)
  return y[:, : size[0], : size[1]]


def space_to_depth(x_BHWC, s):
  """Blocks of s x s pixels as channels: [B, H / s, W / s, s * s * C]."""
  B, H, W, C = x_BHWC.shape
  x = x_BHWC.reshape(B, H // s, s, W // s, s, C)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(B, H // s, W // s, s * s * C)


def pad(x_BHWC, low, high):
  """Zeros around the image; negative numbers crop."""
  zero = jnp.zeros((), x_BHWC.dtype)
  sides = [(low[a], high[a], 0) for a in AXES]
  return lax.pad(x_BHWC, zero, [(0, 0, 0), *sides, (0, 0, 0)])

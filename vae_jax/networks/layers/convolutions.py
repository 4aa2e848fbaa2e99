"""Convolutions, pooling and up-sampling of [B, H, W, C] images.

Kernels are [h, w, I, O] and results equal those of lax on every platform. On
CPU the same functions are matrix products (see convolutions_cpu.py), because
XLA:CPU's own gradients of convolutions are slower by 34 times in a scan (3x3,
stride 2, 32 -> 64 channels, 14x14, batch 128, two cores: 185 ms against 5.5).
There, and in max_pool anywhere, forward mode (jvp, hessian) is not defined.
"""

from collections.abc import Callable
from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype
from jax import lax

from vae_jax.networks.layers import convolutions_cpu as cpu
from vae_jax.networks.layers.dense import plus

IMAGES = ('NHWC', 'HWIO', 'NHWC')
PRODUCTS = ('cpu',)  # platforms with matrix products instead


# jit, so that a call outside any other jit compiles once, not every time.
@partial(jax.jit, static_argnames=('stride', 'padding'))
def conv(x_BHWC, kernel_HWIO, stride=1, padding='SAME'):
  """Convolution, 'SAME', 'VALID' or ((low, high), (low, high)): [B, H', W', O].

  Raises ValueError if the image does not fit the kernel.
  """
  pads = conv_pads(x_BHWC.shape, kernel_HWIO.shape, stride, padding)
  return either(
    x_BHWC,
    kernel_HWIO,
    products=partial(cpu.conv, stride=stride, pads=pads),
    native=partial(lax_conv, stride=stride, pads=pads),
  )


@partial(jax.jit, static_argnames=('stride', 'padding'))
def conv_transpose(x_BHWC, kernel_HWIO, stride=2, padding='SAME'):
  """Transposed convolution, as of `lax.conv_transpose`: [B, H', W', O].

  Raises ValueError if the image does not fit the kernel.
  """
  check_channels(x_BHWC.shape, kernel_HWIO.shape)
  pads = transpose_pads(kernel_HWIO.shape[:2], stride, padding)
  return either(
    x_BHWC,
    kernel_HWIO,
    products=partial(cpu.conv_transpose, stride=stride, pads=pads),
    native=partial(
      lax.conv_transpose,
      strides=(stride, stride),
      padding=padding,
      dimension_numbers=IMAGES,
    ),
  )


@partial(jax.jit, static_argnames='size')
def max_pool(x_BHWC, size=2):
  """Maxima of size x size blocks, the last ones partial: [B, H', W', C]."""
  shape = x_BHWC.shape
  block, step = (1, size, size, 1), (1, size, size, 1)
  pads = lax.padtype_to_pads(shape, block, step, 'SAME')
  x = lax.pad(
    x_BHWC,
    jnp.array(-jnp.inf, x_BHWC.dtype),
    [(lo, hi, 0) for lo, hi in pads],
  )
  corners = [(0, i, j, 0) for i, j in np.ndindex(size, size)]
  return first_max(*(lax.slice(x, at, x.shape, step) for at in corners))


@partial(jax.jit, static_argnames='factor')
def upsample(x_BHWC, factor=2):
  """Every pixel repeated factor x factor times: [B, factor H, factor W, C]."""
  B, H, W, C = x_BHWC.shape
  x = x_BHWC[:, :, None, :, None]
  x = jnp.broadcast_to(x, (B, H, factor, W, factor, C))
  return x.reshape(B, H * factor, W * factor, C)


@partial(jax.jit, static_argnames='padding')
def upsample_conv(x_BHWC, kernel_HWIO, padding='SAME'):
  """`conv(upsample(x), kernel, 1, padding)`, cheaper on CPU: [B, H', W', O]."""
  check_channels(x_BHWC.shape, kernel_HWIO.shape)
  shape = jax.eval_shape(upsample, x_BHWC).shape
  pads = conv_pads(shape, kernel_HWIO.shape, 1, padding)
  return either(
    x_BHWC,
    kernel_HWIO,
    products=partial(cpu.upsample_conv, pads=pads),
    native=lambda x, kernel: lax_conv(upsample(x), kernel, 1, pads),
  )


@partial(jax.jit, static_argnames='padding')
def conv_pool(x_BHWC, kernel_HWIO, padding='SAME'):
  """`max_pool(conv(x, kernel, 1, padding))`, cheaper on CPU: [B, h, w, O]."""
  pads = conv_pads(x_BHWC.shape, kernel_HWIO.shape, 1, padding)

  def products(x, kernel):
    if cpu.folds_pool(x, kernel, pads):
      return first_max(*cpu.conv_phases(x, kernel, pads))
    return max_pool(cpu.conv(x, kernel, 1, pads))

  return either(
    x_BHWC,
    kernel_HWIO,
    products=products,
    native=lambda x, kernel: max_pool(lax_conv(x, kernel, 1, pads)),
  )


class Conv(nn.Module):
  """Convolution plus bias, with the parameters of `nn.Conv`: [B, H', W', O].

  `upsample` doubles the image before; `pool` halves it after: a relu behind it
  gives what a relu before the pooling would. Both need stride 1.
  """

  features: int
  kernel_size: int | tuple[int, int]
  stride: int = 1
  padding: str | tuple[tuple[int, int], tuple[int, int]] = 'SAME'
  kernel_init: Callable = nn.initializers.lecun_normal()
  upsample: bool = False
  pool: bool = False

  @nn.compact
  def __call__(self, x_BHWC):
    """Raises ValueError for upsample and pool together, or with a stride."""
    x, kernel, bias = parameters(self, x_BHWC)
    if self.upsample + self.pool + (self.stride > 1) > 1:
      raise ValueError(
        f'one of stride={self.stride}, upsample={self.upsample} and '
        f'pool={self.pool} may be set, not several'
      )
    if self.upsample:
      return plus(upsample_conv(x, kernel, self.padding), bias)
    if self.pool:
      return plus(conv_pool(x, kernel, self.padding), bias)
    return plus(conv(x, kernel, self.stride, self.padding), bias)


class ConvTranspose(nn.Module):
  """Transposed convolution plus bias, as `nn.ConvTranspose`: [B, H', W', O]."""

  features: int
  kernel_size: int | tuple[int, int]
  stride: int = 2
  padding: str | tuple[tuple[int, int], tuple[int, int]] = 'SAME'
  kernel_init: Callable = nn.initializers.lecun_normal()

  @nn.compact
  def __call__(self, x_BHWC):
    """The images, `stride` times as large if the padding is 'SAME'."""
    x, kernel, bias = parameters(self, x_BHWC)
    return plus(conv_transpose(x, kernel, self.stride, self.padding), bias)


def parameters(module, x_BHWC):
  """Image, kernel and bias of a layer, in one dtype."""
  size, outputs = module.kernel_size, module.features
  size = (size, size) if isinstance(size, int) else tuple(size)
  shape = (*size, x_BHWC.shape[-1], outputs)
  kernel = module.param('kernel', module.kernel_init, shape)
  bias = module.param('bias', nn.initializers.zeros, (outputs,))
  return promote_dtype(x_BHWC, kernel, bias)


def either(x_BHWC, kernel_HWIO, products, native):
  """One of two functions of an image and a kernel, as the platform has it."""
  chosen = dict.fromkeys(PRODUCTS, products)
  return lax.platform_dependent(x_BHWC, kernel_HWIO, **chosen, default=native)


def lax_conv(x_BHWC, kernel_HWIO, stride, pads):
  """The platform's own convolution: [B, H', W', O]."""
  strides = (stride, stride)
  return lax.conv_general_dilated(
    x_BHWC, kernel_HWIO, strides, pads, dimension_numbers=IMAGES
  )


@jax.custom_vjp
def first_max(*images):
  """Pixelwise maximum; its gradient goes to the first image that has it."""
  # jnp.maximum would split the gradient of a tie, lax.reduce_window does not.
  return reduce(jnp.maximum, images)


def first_max_gradients(kept, ct):
  """The gradient to each image."""
  images, maximum = kept
  gradients, free = [], jnp.ones(ct.shape, bool)
  for x in images:
    wins = free & (x == maximum)
    gradients.append(jnp.where(wins, ct, jnp.zeros_like(ct)))
    free &= ~wins
  return tuple(gradients)


def keep_images(*images):
  """The maximum, and what its gradients need."""
  maximum = first_max(*images)
  return maximum, (images, maximum)


first_max.defvjp(keep_images, first_max_gradients)


def conv_pads(shape, kernel_shape, stride, padding):
  """Pixels to add around an image: ((low, high), (low, high))."""
  check_channels(shape, kernel_shape)
  if not isinstance(padding, str):
    return padding
  strides = (stride, stride)
  pads = lax.padtype_to_pads(shape[1:3], kernel_shape[:2], strides, padding)
  return tuple(pads)


def transpose_pads(size, stride, padding):
  """Pixels that `lax.conv_transpose` adds: ((low, high), (low, high))."""
  if not isinstance(padding, str):
    return padding
  pads = []
  for k in size:
    total = k + stride - 2
    low = k - 1 if padding == 'VALID' or stride > k - 1 else -(-total // 2)
    total += max(k - stride, 0) if padding == 'VALID' else 0
    pads.append((low, total - low))
  return tuple(pads)


def check_channels(shape, kernel_shape):
  """Raises ValueError unless images of this shape fit the kernel."""
  if len(shape) != 4 or len(kernel_shape) != 4 or shape[3] != kernel_shape[2]:
    raise ValueError(
      f'images {shape} do not fit the kernel {kernel_shape}: images are '
      '[B, H, W, C] and kernels [h, w, C, O]'
    )

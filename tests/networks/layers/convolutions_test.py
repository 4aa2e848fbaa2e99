import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from vae_jax.networks.layers import convolutions, convolutions_cpu
from vae_jax.networks.layers.dense import plus

IMAGES = ('NHWC', 'HWIO', 'NHWC')


def normal(seed, *shape):
  return np.random.default_rng(seed).standard_normal(shape, np.float32)


def lax_conv(x, kernel, stride=1, padding='SAME'):
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), padding, dimension_numbers=IMAGES
  )


def lax_conv_transpose(x, kernel, stride=2, padding='SAME'):
  return lax.conv_transpose(
    x, kernel, (stride, stride), padding, dimension_numbers=IMAGES
  )


def lax_pool(x, size=2):
  block = (1, size, size, 1)
  return lax.reduce_window(x, -jnp.inf, lax.max, block, block, 'SAME')


def repeat(x):
  return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def values_and_gradients(f, *args):
  def run(*args):
    y, pull = jax.vjp(f, *args)
    weights = jnp.arange(y.size).reshape(y.shape) % 7 - 3
    return y, *pull(weights.astype(y.dtype))

  return jax.jit(run)(*args)


def assert_same(f, reference, *args, tolerance=2e-5):
  found = values_and_gradients(f, *args)
  expected = values_and_gradients(reference, *args)
  for a, b in zip(found, expected, strict=True):
    assert a.shape == b.shape and a.dtype == b.dtype
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())


CONVS = [
  # height, width, kernel, inputs, outputs, stride, padding
  (6, 5, (3, 3), 2, 3, 1, 'SAME'),
  (6, 5, (2, 3), 4, 1, 1, 'SAME'),
  (7, 6, (4, 2), 4, 2, 1, 'VALID'),
  (7, 6, (3, 3), 1, 3, 2, 'SAME'),
  (8, 5, (4, 4), 2, 3, 2, 'VALID'),
  (7, 8, (5, 2), 3, 1, 2, 'SAME'),
  (6, 7, (1, 2), 2, 2, 3, 'SAME'),
  (6, 7, (4, 4), 32, 33, 2, 'SAME'),
  (6, 5, (3, 2), 2, 2, 2, ((0, 2), (1, 0))),
  (6, 5, (3, 2), 2, 1, 1, ((3, 0), (0, 2))),
]


@pytest.mark.parametrize('H, W, size, inputs, outputs, stride, padding', CONVS)
def test_conv_equals_lax_in_value_and_both_gradients(
  H, W, size, inputs, outputs, stride, padding
):
  assert_same(
    lambda x, kernel: convolutions.conv(x, kernel, stride, padding),
    lambda x, kernel: lax_conv(x, kernel, stride, padding),
    normal(0, 2, H, W, inputs),
    normal(1, *size, inputs, outputs),
  )


TRANSPOSES = [
  (3, 4, (3, 3), 2, 3, 2, 'SAME'),
  (3, 4, (4, 5), 3, 2, 2, 'SAME'),
  (3, 2, (5, 4), 2, 2, 2, 'VALID'),
  (4, 3, (3, 2), 4, 1, 1, 'SAME'),
  (4, 3, (3, 1), 2, 2, 1, 'VALID'),
  (2, 3, (1, 2), 2, 2, 3, 'SAME'),
  (2, 3, (1, 2), 2, 2, 3, 'VALID'),
  (3, 4, (4, 4), 32, 33, 2, 'SAME'),
  (3, 4, (3, 3), 2, 2, 2, ((1, 2), (2, 0))),
]


@pytest.mark.parametrize(
  'H, W, size, inputs, outputs, stride, padding', TRANSPOSES
)
def test_conv_transpose_equals_lax_in_value_and_both_gradients(
  H, W, size, inputs, outputs, stride, padding
):
  assert_same(
    lambda x, kernel: convolutions.conv_transpose(x, kernel, stride, padding),
    lambda x, kernel: lax_conv_transpose(x, kernel, stride, padding),
    normal(0, 2, H, W, inputs),
    normal(1, *size, inputs, outputs),
  )


def test_bfloat16_stays_and_is_as_exact_as_of_lax():
  x, kernel = normal(0, 2, 5, 6, 4), normal(1, 3, 3, 4, 2)
  x, kernel = x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
  assert_same(convolutions.conv, lax_conv, x, kernel, tolerance=1e-2)
  assert_same(
    convolutions.conv_transpose, lax_conv_transpose, x, kernel, tolerance=1e-2
  )


# Small integers tie often, and are summed exactly in any order.
def integers(seed, *shape):
  return np.round(2 * normal(seed, *shape))


@pytest.mark.parametrize('shape, size', [((2, 6, 7, 3), 2), ((2, 7, 5, 1), 3)])
def test_max_pool_equals_reduce_window_even_at_ties(shape, size):
  x = integers(0, *shape)
  assert_same(
    lambda x: convolutions.max_pool(x, size),
    lambda x: lax_pool(x, size),
    x,
    tolerance=0,
  )


def test_max_pool_rounds_odd_sizes_up():
  assert convolutions.max_pool(jnp.zeros((1, 7, 8, 1))).shape == (1, 4, 4, 1)


def test_upsample_repeats_rows_and_columns():
  assert_same(convolutions.upsample, repeat, normal(0, 2, 3, 4, 2))
  assert convolutions.upsample(jnp.zeros((1, 2, 3, 4)), 3).shape == (1, 6, 9, 4)


@pytest.mark.parametrize('padding', ['SAME', 'VALID'])
@pytest.mark.parametrize(
  'size, outputs', [((3, 3), 3), ((2, 5), 1), ((1, 4), 2)]
)
def test_upsample_conv_equals_the_composition(size, outputs, padding):
  assert_same(
    lambda x, kernel: convolutions.upsample_conv(x, kernel, padding),
    lambda x, kernel: lax_conv(repeat(x), kernel, 1, padding),
    normal(0, 2, 3, 4, 8),
    normal(1, *size, 8, outputs),
  )


@pytest.mark.parametrize(
  'H, W, size, inputs', [(6, 4, 3, 1), (6, 4, 4, 2), (6, 4, 3, 8), (5, 4, 3, 1)]
)
def test_a_relu_after_pooling_equals_one_before_even_at_ties(
  H, W, size, inputs
):
  x, kernel = integers(0, 2, H, W, inputs), integers(1, size, size, inputs, 3)
  bias = np.array([1.0, -2.0, 0.0], np.float32)

  def composition(x, kernel, bias):
    return lax_pool(nn.relu(lax_conv(x, kernel) + bias[None, None, None]))

  def ours(x, kernel, bias):
    return nn.relu(plus(convolutions.conv_pool(x, kernel), bias))

  assert_same(ours, composition, x, kernel, bias, tolerance=0)


@pytest.mark.parametrize(
  'H, inputs, folds', [(4, 1, True), (5, 1, False), (4, 16, False)]
)
def test_conv_pool_folds_even_images_of_few_channels_only(H, inputs, folds):
  x, kernel = jnp.zeros((1, H, 6, inputs)), jnp.zeros((3, 3, inputs, 1))
  assert convolutions_cpu.folds_pool(x, kernel, ((1, 1), (1, 1))) == folds


def pairs():
  return [
    (convolutions.Conv(3, 3), nn.Conv(3, (3, 3))),
    (convolutions.Conv(3, (2, 4), 2, 'VALID'), nn.Conv(3, (2, 4), 2, 'VALID')),
    (convolutions.ConvTranspose(3, 3), nn.ConvTranspose(3, (3, 3), (2, 2))),
    (
      convolutions.ConvTranspose(3, 4, 1, 'VALID'),
      nn.ConvTranspose(3, (4, 4), (1, 1), 'VALID'),
    ),
  ]


@pytest.mark.parametrize('ours, flax', pairs())
def test_modules_share_their_parameters_with_flax(ours, flax):
  x = normal(0, 2, 5, 6, 2)
  params = flax.init(jax.random.key(0), x)
  ours_params = ours.init(jax.random.key(0), x)
  jax.tree.map(np.testing.assert_array_equal, params, ours_params)
  params['params']['bias'] = jnp.arange(3.0)
  np.testing.assert_allclose(
    ours.apply(params, x), flax.apply(params, x), atol=1e-5
  )


def test_flags_of_conv_change_the_image_and_not_the_parameters():
  x = normal(0, 2, 4, 6, 2)
  plain = convolutions.Conv(3, 3)
  params = plain.init(jax.random.key(0), x)
  params['params']['bias'] = jnp.arange(3.0) - 1
  up = convolutions.Conv(3, 3, upsample=True).apply(params, x)
  np.testing.assert_allclose(up, plain.apply(params, repeat(x)), atol=1e-5)
  pooled = convolutions.Conv(3, 3, pool=True).apply(params, x)
  expected = lax_pool(nn.relu(plain.apply(params, x)))
  np.testing.assert_allclose(nn.relu(pooled), expected, atol=1e-5)
  with pytest.raises(ValueError, match='not several'):
    convolutions.Conv(3, 3, stride=2, pool=True).init(jax.random.key(0), x)


def loss(conv, conv_transpose, pool):
  def f(kernels, x):
    down, up = kernels
    y = pool(nn.relu(conv(x, down, 2, 'SAME')))
    return jnp.mean(jnp.square(conv_transpose(y, up, 2, 'SAME')))

  return f


LOSS = loss(
  convolutions.conv, convolutions.conv_transpose, convolutions.max_pool
)
LAX_LOSS = loss(lax_conv, lax_conv_transpose, lax_pool)


def kernels_and_x(*R):
  kernels = normal(0, *R, 3, 3, 2, 4), normal(1, *R, 3, 3, 4, 1)
  return kernels, normal(2, 4, 8, 6, 2)


def assert_close(found, expected):
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected
  )


def test_a_vmap_over_kernels_equals_lax():
  kernels, x = kernels_and_x(3)
  found, expected = (
    jax.jit(jax.vmap(jax.grad(f), (0, None)))(kernels, x)
    for f in (LOSS, LAX_LOSS)
  )
  assert_close(found, expected)


def test_pmap_over_images_equals_lax():
  kernels, x = kernels_and_x()
  found = jax.pmap(jax.grad(LOSS), in_axes=(None, 0))(kernels, x[:, None])
  expected = jax.vmap(jax.grad(LAX_LOSS), (None, 0))(kernels, x[:, None])
  assert_close(found, expected)


def descent(f):
  def step(kernels, x):
    grads = jax.grad(f)(kernels, x)
    return jax.tree.map(lambda w, g: w - 0.01 * g, kernels, grads), None

  return jax.jit(lambda kernels, xs: lax.scan(step, kernels, xs)[0])


def test_steps_in_a_scan_equal_those_of_lax_without_a_convolution():
  kernels, x = kernels_and_x()
  xs = np.stack([x, x[::-1]])
  compiled = descent(LOSS).lower(kernels, xs).compile()
  assert ' convolution(' not in compiled.as_text()
  assert_close(compiled(kernels, xs), descent(LAX_LOSS)(kernels, xs))


def test_other_platforms_get_the_platforms_convolution():
  args = kernels_and_x()
  lowered = (
    jax.jit(jax.grad(LOSS)).trace(*args).lower(lowering_platforms=('tpu',))
  )
  assert lowered.as_text().count('stablehlo.convolution') >= 4


def products(f, *args):
  return jax.jit(f).lower(*args).compile().as_text().count(' dot(')


def test_the_unused_gradient_to_the_images_is_not_computed():
  x, kernel = normal(0, 2, 5, 6, 2), normal(1, 3, 3, 2, 3)

  def f(kernel, x):
    return jnp.sum(jnp.sin(convolutions.conv(x, kernel, 2)))

  one, both = jax.grad(f), jax.grad(f, (0, 1))
  assert products(both, kernel, x) == products(one, kernel, x) + 1 == 3


def test_images_that_do_not_fit_the_kernel_are_named():
  x, kernel = jnp.zeros((2, 5, 6, 2)), jnp.zeros((3, 3, 4, 1))
  for f in (
    convolutions.conv,
    convolutions.conv_transpose,
    convolutions.upsample_conv,
    convolutions.conv_pool,
  ):
    with pytest.raises(ValueError, match='do not fit the kernel'):
      f(x, kernel)
    with pytest.raises(ValueError, match='images are'):
      f(x[0], kernel)

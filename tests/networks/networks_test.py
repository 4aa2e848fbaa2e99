import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from vae_jax import networks
from vae_jax.config.experiment import code_size
from vae_jax.factors import views
from vae_jax.networks import shapes
from vae_jax.networks.unet import unet_sizes

SHAPES = [(28, 28, 1), (7, 5, 3), (8, 13, 1), (1, 2, 2), (32, 32, 3)]
NETWORKS = {
  'mlp': functools.partial(networks.mlp, widths=(6, 5)),
  'conv': functools.partial(networks.conv, widths=(2, 3), dense=4),
  'conv, three': functools.partial(networks.conv, widths=(2, 2, 2), dense=4),
  'conv, rough': functools.partial(networks.conv, widths=(2, 3), smooth=False),
  'conv, kernel 4': functools.partial(networks.conv, widths=(2,), kernel=4),
  'pooled': functools.partial(networks.pooled, widths=(3, 2)),
  'pooled, three': functools.partial(networks.pooled, widths=(3, 2, 2)),
  'unet': functools.partial(networks.unet, widths=(2, 3), dense=4),
  'unet, three': functools.partial(networks.unet, widths=(2, 2, 3), dense=4),
  'upscaled': functools.partial(networks.upscaled, widths=(2, 2, 3)),
}


def latents_for(network, image):
  """A size of code that this network can have for this image."""
  keywords = network.keywords
  if network.func is networks.unet:
    return sum(unet_sizes(image[:2], keywords['widths'], 4))
  if network.func is networks.upscaled:
    return image[0] * image[1] * (image[2] + keywords['widths'][-1])
  if network.func is networks.pooled:
    halvings = len(keywords['widths']) + 1
    return 2 * np.prod([shapes.shrunk(n, halvings) for n in image[:2]])
  return 3


def shapes_of(
  network, latents, image, size=1, heads=2, given=None, wanted=None
):
  """(params, heads, outputs) as shapes: nothing is computed."""
  example = views.Example(image, wanted or image, given)
  encoder, decoder = network(latents, example, size, named(latents, heads))[:2]

  def run(x_BHWC, z_BZ, given):
    stats, encoded = encoder.init_with_output(jax.random.key(0), x_BHWC, given)
    outputs, decoded = decoder.init_with_output(jax.random.key(1), z_BZ, given)
    params = {'encoder': encoded['params'], 'decoder': decoded['params']}
    return params, stats, outputs

  latents = latents or code_size(encoder, batch_of(image))
  x_BHWC, z_BZ = jnp.zeros((2, *image)), jnp.zeros((2, latents))
  given = given and jnp.zeros((2, *given))
  return jax.eval_shape(run, x_BHWC, z_BZ, given)


def named(latents, heads: int):
  """So many heads of a posterior: {name: size}."""
  return dict.fromkeys(('z_mean', 'z_log_sigma')[:heads], latents)


def batch_of(image):
  """Two examples of this shape, as shapes."""
  return views.Example(*[jax.ShapeDtypeStruct((2, *image), jnp.float32)] * 2)


@pytest.mark.slow
@pytest.mark.parametrize('image', SHAPES)
@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_fits_every_image(name, image):
  network = NETWORKS[name]
  latents = latents_for(network, image)
  most = 1 if network.func in (networks.unet, networks.upscaled) else 2
  for size, heads in ((1, 1), (2, most)):
    _, stats, outputs = shapes_of(network, latents, image, size, heads)
    wanted = dict.fromkeys(named(latents, heads), (2, latents))
    assert jax.tree.map(jnp.shape, stats) == wanted
    assert outputs.shape == (2, *image[:2], image[2] * size)


def test_the_lessons_net_has_the_lessons_parameters():
  params, stats, _ = shapes_of(networks.pooled, 128, (28, 28, 1), heads=1)
  assert networks.parameter_count(params['encoder']) == 1904
  assert networks.parameter_count(params['decoder']) == 2481
  kernels = [
    [layer['kernel'].shape for layer in params[side].values()]
    for side in ('encoder', 'decoder')
  ]
  assert kernels == [
    [(3, 3, 1, 16), (3, 3, 16, 8), (3, 3, 8, 8)],
    [(3, 3, 8, 8), (3, 3, 8, 8), (3, 3, 8, 16), (3, 3, 16, 1)],
  ]
  assert stats['z_mean'].shape == (2, 4 * 4 * 8)


class Lesson(nn.Module):
  """The lesson's autoencoder as it stands in the notebook: (code, logits)."""

  encoder: bool
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, x):
    if self.encoder:
      for width in self.widths:
        x = nn.relu(nn.Conv(width, (3, 3))(x))
        x = nn.max_pool(x, (2, 2), (2, 2), 'SAME')
      return x
    first, second, third, outputs = self.widths
    x = twice(nn.relu(nn.Conv(first, (3, 3))(x)))
    x = twice(nn.relu(nn.Conv(second, (3, 3))(x)))
    x = twice(nn.relu(nn.Conv(third, (3, 3), padding='VALID')(x)))
    return nn.Conv(outputs, (3, 3))(x)


def twice(x):
  return x.repeat(2, 1).repeat(2, 2)


def test_the_lessons_net_computes_what_the_lesson_says():
  # 12 -> 6 -> 3 -> 2 and 2 -> 4 -> 8 -> VALID 6 -> 12, as 28 does.
  image, rng = (12, 12, 1), np.random.default_rng(0)
  network = functools.partial(networks.pooled, widths=(4, 3))
  example = views.Example(image, image)
  encoder, decoder = network(8, example, 1, {'z_mean': 8})[:2]
  params = jax.tree.map(
    lambda leaf: 0.5 * rng.standard_normal(leaf.shape, np.float32),
    shapes_of(network, 8, image, heads=1)[0],
  )
  x = rng.random((2, *image), np.float32)

  @jax.jit
  def ours(params):
    code = encoder.apply({'params': params['encoder']}, x)['z_mean']
    return code, decoder.apply({'params': params['decoder']}, code)

  @jax.jit
  def lesson(params):
    code = Lesson(True, (4, 3, 2)).apply({'params': params['encoder']}, x)
    decoder = Lesson(False, (2, 3, 4, 1))
    return code, decoder.apply({'params': params['decoder']}, code)

  (code, outputs), (wanted_code, wanted) = ours(params), lesson(params)
  assert wanted_code.shape == (2, 2, 2, 2) and np.asarray(code).any()
  np.testing.assert_allclose(code, wanted_code.reshape(2, 8), atol=1e-5)
  np.testing.assert_allclose(outputs, wanted, atol=1e-5)


@pytest.mark.parametrize('seen', [14, 7, 4])
def test_the_lessons_net_makes_its_code_of_smaller_images_too(seen):
  params, stats, outputs = shapes_of(
    networks.pooled, None, (seen, seen, 1), heads=1, wanted=(28, 28, 1)
  )
  whole, _, _ = shapes_of(networks.pooled, None, (28, 28, 1), heads=1)
  assert stats['z_mean'].shape == (2, 4 * 4 * 8)
  assert outputs.shape == (2, 28, 28, 1)
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, whole)


def test_the_last_convolutions_of_a_small_image_do_not_pool():
  # 6x6 to be 12x12: C4-pool, C3-pool, C2, as 14 -> 7 -> 4 -> 4.
  network = functools.partial(networks.pooled, widths=(4, 3))
  example = views.Example((6, 6, 1), (12, 12, 1))
  encoder = network(None, example, 1, {'z_mean': None}).encoder
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    lambda leaf: 0.5 * rng.standard_normal(leaf.shape, np.float32),
    shapes_of(network, None, (6, 6, 1), heads=1, wanted=(12, 12, 1))[0],
  )['encoder']
  x = rng.random((2, 6, 6, 1), np.float32)

  @jax.jit
  def lesson(params):
    y = x
    for i, width in enumerate((4, 3, 2)):
      layer = nn.Conv(8 if i == 2 else width, (3, 3))
      y = nn.relu(layer.apply({'params': params[f'Conv_{i}']}, y))
      y = y if i == 2 else nn.max_pool(y, (2, 2), (2, 2), 'SAME')
    return y

  code = jax.jit(encoder.apply)({'params': params}, x)['z_mean']
  wanted = np.asarray(lesson(params))
  assert wanted.shape == (2, 2, 2, 8) and wanted.any()
  np.testing.assert_allclose(code, wanted.reshape(2, -1), atol=1e-5)


def test_a_net_that_cannot_halve_to_its_code_says_so():
  for network, code in ((networks.pooled, '4x4'), (networks.unet, '14x14')):
    with pytest.raises(ValueError, match=f'from images of 9x9 to .* {code} by'):
      shapes_of(network, None, (9, 9, 1), heads=1, wanted=(28, 28, 1))


def test_a_unet_does_not_halve_what_is_as_small_as_its_first_map():
  network = functools.partial(networks.unet, widths=(2, 3), dense=4)
  params, stats, outputs = shapes_of(
    network, None, (14, 10, 3), heads=1, wanted=(28, 20, 3)
  )
  whole, _, _ = shapes_of(network, None, (28, 20, 3), heads=1)
  assert stats['z_mean'].shape == (2, 14 * 10 * 2 + 7 * 5 * 3 + 4)
  assert outputs.shape == (2, 28, 20, 3)
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, whole)


@pytest.mark.parametrize('shape, factor', [((7, 5, 3), 2), ((4, 6, 1), 3)])
@pytest.mark.parametrize('size', [1, 2])
def test_an_untrained_upscaled_net_is_pils_bicubic(shape, factor, size):
  wanted = (factor * shape[0], factor * shape[1], shape[2])
  network = functools.partial(networks.upscaled, widths=(2, 2))
  example = views.Example(shape, wanted)
  encoder, decoder = network(None, example, size, {'z_mean': None})[:2]
  x = np.random.default_rng(0).random((2, *shape), np.float32)
  key_encoder, key_decoder = jax.random.split(jax.random.key(0))
  stats, _ = encoder.init_with_output(key_encoder, x)
  outputs, _ = decoder.init_with_output(key_decoder, stats['z_mean'])
  assert outputs.shape == (2, *wanted[:2], size * shape[2])
  bicubic = pil_resized(x, wanted, Image.Resampling.BICUBIC)
  np.testing.assert_allclose(outputs[..., : shape[2]], bicubic, atol=1e-5)
  np.testing.assert_array_equal(outputs[..., shape[2] :], 0)


def pil_resized(x_NHWC, shape, method):
  size = shape[1], shape[0]

  def resized(x_HW):
    return np.asarray(Image.fromarray(x_HW).resize(size, method))

  channels = range(x_NHWC.shape[-1])
  return np.stack(
    [np.stack([resized(x[..., c]) for c in channels], -1) for x in x_NHWC]
  )


def test_upscaled_refuses_what_it_cannot_be():
  network = functools.partial(networks.upscaled, widths=(2, 3))

  def refused(match, wanted=(8, 10, 1), latents=None, heads=1):
    with pytest.raises(ValueError, match=match):
      shapes_of(network, latents, (4, 5, 1), heads=heads, wanted=wanted)

  refused('use posteriors.point', heads=2)
  refused('code of 80 values here.*not 79', latents=79)
  refused('one whole factor', wanted=(8, 15, 1))
  refused('one whole factor', wanted=(9, 11, 1))
  refused('channels be the same', wanted=(8, 10, 3))


def test_the_dense_vae_has_the_parameters_of_784_500_2_500_784():
  params, _, _ = shapes_of(networks.mlp, 2, (28, 28, 1))
  encoder = 784 * 500 + 500 + 2 * (500 * 2 + 2)
  decoder = 2 * 500 + 500 + 500 * 784 + 784
  assert networks.parameter_count(params['encoder']) == encoder
  assert networks.parameter_count(params['decoder']) == decoder


def test_the_widths_of_an_mlp_are_mirrored_in_its_decoder():
  params, _, _ = shapes_of(NETWORKS['mlp'], 3, (4, 5, 1), given=(2,))
  kernels = [
    layer['kernel'].shape for side in params.values() for layer in side.values()
  ]
  assert sorted(kernels) == sorted(
    [(22, 6), (6, 5), (5, 3), (5, 3), (5, 5), (5, 6), (6, 20)]
  )


def test_the_convolutional_vae_of_disentanglement_lib_has_its_parameters():
  network = functools.partial(
    networks.conv, widths=(32, 32, 64, 64), kernel=4, smooth=False
  )
  params, _, outputs = shapes_of(network, 10, (64, 64, 1))
  assert outputs.shape == (2, 64, 64, 1)

  def layers(*sizes):
    return sum(16 * a * b + b for a, b in zip(sizes, sizes[1:], strict=False))

  encoder = layers(1, 32, 32, 64, 64) + 1024 * 256 + 256 + 2 * (256 * 10 + 10)
  decoder = 10 * 256 + 256 + 256 * 1024 + 1024 + layers(64, 64, 32, 32, 1)
  assert networks.parameter_count(params['encoder']) == encoder
  assert networks.parameter_count(params['decoder']) == decoder


def test_a_convolution_halves_at_every_width():
  network = functools.partial(networks.conv, widths=(4, 6), dense=10)
  params, _, _ = shapes_of(network, 3, (9, 5, 2))
  # 9x5 -> 5x3 -> 3x2.
  assert params['encoder']['Dense_0']['kernel'].shape == (3 * 2 * 6, 10)
  assert params['decoder']['Dense_1']['kernel'].shape == (10, 3 * 2 * 6)


@pytest.mark.parametrize('name', ['mlp', 'conv', 'unet'])
def test_what_is_given_reaches_encoder_and_decoder(name):
  network, image = NETWORKS[name], (7, 5, 1)
  latents = latents_for(network, image)
  plain, _, _ = shapes_of(network, latents, image, heads=1)
  labelled, _, outputs = shapes_of(
    network, latents, image, heads=1, given=(10,)
  )
  assert outputs.shape == (2, *image)
  for side in plain:
    before = networks.parameter_count(plain[side])
    after = networks.parameter_count(labelled[side])
    assert after > before and (after - before) % 10 == 0


def test_the_code_comes_after_what_is_given():
  z_BZ, given_BY = np.ones((2, 3)), np.zeros((2, 2, 2))
  found = shapes.with_given(z_BZ, given_BY)
  np.testing.assert_array_equal(found, 2 * [[0, 0, 0, 0, 1, 1, 1]])
  assert shapes.with_given(z_BZ, None) is z_BZ


@pytest.mark.parametrize('latents, nearest', [(100, 96), (15, 16), (120, 128)])
def test_pooled_refuses_a_code_that_is_no_map(latents, nearest):
  with pytest.raises(ValueError) as error:
    shapes_of(networks.pooled, latents, (28, 28, 1))
  line = str(error.value)
  assert "'pooled'" in line and '4x4' in line
  assert f'a multiple of 16, not {latents}' in line
  assert line.endswith(f'the nearest is {nearest}')


def test_unet_refuses_all_but_its_own_size_of_code():
  size = 14 * 14 * 32 + 7 * 7 * 64 + 256
  with pytest.raises(ValueError, match=f'{size} values here.*not 32'):
    shapes_of(networks.unet, 32, (28, 28, 1), heads=1)
  _, stats, _ = shapes_of(networks.unet, size, (28, 28, 1), heads=1)
  assert stats['z_mean'].shape == (2, size)


def test_the_sizes_of_a_unet_are_its_maps_and_its_summary():
  sizes = unet_sizes((7, 5), widths=(2, 3), dense=4)
  assert sizes == (4 * 3 * 2, 2 * 2 * 3, 4)


def test_every_value_of_a_unets_code_reaches_its_outputs():
  image, network = (5, 4, 1), NETWORKS['unet']
  latents = latents_for(network, image)
  example = views.Example(image, image)
  decoder = network(latents, example, 1, {'z_mean': latents}).decoder
  rng = np.random.default_rng(0)
  params = jax.tree.map(
    # No relu may be off, or its inputs would seem to be unused.
    lambda leaf: rng.random(leaf.shape, np.float32) + 0.1,
    shapes_of(network, latents, image, heads=1)[0]['decoder'],
  )

  def total(z_BZ):
    return decoder.apply({'params': params}, z_BZ).sum()

  grads = jax.jit(jax.grad(total))(np.ones((1, latents), np.float32))
  assert (np.asarray(grads) != 0).all()


def test_unet_refuses_a_posterior_with_a_width():
  network, image = NETWORKS['unet'], (5, 4, 1)
  latents = latents_for(network, image)
  with pytest.raises(ValueError, match='use posteriors.point'):
    shapes_of(network, latents, image, heads=2)


def test_halvings_are_as_few_as_lead_to_the_grid():
  assert shapes.halvings((28, 28, 1), (4, 4), 3, 'it') == 3
  assert shapes.halvings((7, 5), (4, 3), 3, 'it') == 1
  assert shapes.halvings((1, 1), (1, 1), 3, 'it') == 0
  with pytest.raises(ValueError, match="'it'.*28x28.*4x4.*at most 2 times"):
    shapes.halvings((28, 28, 1), (4, 4), 2, 'it')


def test_strides_are_one_where_the_size_is_there_already():
  grids = [(14, 10), (7, 5)]
  assert shapes.strides_to((28, 20, 1), grids, 'it') == (2, 2)
  assert shapes.strides_to((14, 10, 1), grids, 'it') == (1, 2)
  with pytest.raises(ValueError, match="'it'.*7x5.*14x10"):
    shapes.strides_to((7, 5, 1), grids, 'it')


def test_shrunk_halves_and_rounds_up():
  assert [shapes.shrunk(28, n) for n in range(5)] == [28, 14, 7, 4, 2]
  assert shapes.shrunk(1, 3) == 1


def test_the_shape_of_the_outputs_is_that_of_what_is_wanted():
  example = views.Example(seen=(14, 14, 1), wanted=(28, 20, 3))
  assert shapes.out_shape(example, 2) == (28, 20, 6)


def test_cropping_keeps_the_top_left():
  x_BHWC = np.arange(2 * 4 * 4 * 1).reshape(2, 4, 4, 1)
  found = shapes.cropped(x_BHWC, (3, 2, 1))
  np.testing.assert_array_equal(found, x_BHWC[:, :3, :2])


def test_depth_to_space_lays_channels_out_as_blocks():
  x_BHWC = np.arange(2 * 2 * 3 * 8).reshape(2, 2, 3, 8)
  found = shapes.depth_to_space(x_BHWC)
  assert found.shape == (2, 4, 6, 2)
  for i, j in np.ndindex(2, 3):
    block = found[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
    np.testing.assert_array_equal(block.reshape(2, 8), x_BHWC[:, i, j])


def test_depth_to_space_takes_any_factor():
  x_BHWC = np.arange(2 * 2 * 3 * 18).reshape(2, 2, 3, 18)
  found = shapes.depth_to_space(x_BHWC, 3)
  assert found.shape == (2, 6, 9, 2)
  for i, j in np.ndindex(2, 3):
    block = found[:, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
    np.testing.assert_array_equal(block.reshape(2, 18), x_BHWC[:, i, j])

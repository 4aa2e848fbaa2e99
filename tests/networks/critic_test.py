import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import config, networks
from vae_jax.config.override import override
from vae_jax.config.text import restored
from vae_jax.factors import views


@pytest.mark.parametrize('widths', [(), (4,), (4, 5)])
def test_a_critic_gives_one_logit_per_code_from_so_many_layers(widths):
  critic = networks.critic(3, widths=widths).net
  z_BZ = jnp.ones((7, 3))
  run = functools.partial(critic.init_with_output, jax.random.key(0))
  logit, variables = jax.eval_shape(run, z_BZ)
  assert logit.shape == (7, 1)
  sizes = [layer['kernel'].shape for layer in variables['params'].values()]
  assert sizes == list(zip((3, *widths), (*widths, 1), strict=True))


def test_a_critic_is_dense_layers_with_a_relu_between():
  critic = networks.critic(2, widths=(3,)).net
  rng = np.random.default_rng(0)
  draw = functools.partial(rng.standard_normal, dtype=np.float32)
  first = {'kernel': draw((2, 3)), 'bias': draw(3)}
  last = {'kernel': -np.abs(draw((3, 1))), 'bias': draw(1)}
  z = draw((5, 2))
  hidden = np.maximum(z @ first['kernel'] + first['bias'], 0)
  params = {'Dense_0': first, 'Dense_1': last}
  found = critic.apply({'params': params}, z)
  wanted = hidden @ last['kernel'] + last['bias']
  np.testing.assert_allclose(found, wanted, rtol=1e-5)
  assert (found < 0).any()  # a logit, not a rectified one


def test_the_field_critic_overrides_renders_and_comes_back():
  ex = override(config.Experiment(), 'critic=networks.critic')
  ex = override(ex, 'critic.widths=(8, 4)')
  text = config.rendered(ex)
  assert text['critic'] == 'networks.critic(widths=(8, 4))'
  found = restored(text).critic
  assert found.func is networks.critic and found.keywords == {'widths': (8, 4)}
  assert override(ex, 'critic=None').critic is None


def test_a_wrong_critic_is_refused_in_one_line():
  with pytest.raises(config.ConfigError, match='networks.critic'):
    override(config.Experiment(), 'critic=networks.critik')
  with pytest.raises(config.ConfigError, match='say module.name'):
    override(config.Experiment(), 'critic=critic')
  ex = override(config.Experiment(), 'critic=networks.critic')
  with pytest.raises(config.ConfigError, match='whole numbers above 0'):
    override(ex, 'critic.widths=(0,)')


def test_a_rectified_code_is_the_relu_of_the_code_and_nothing_else():
  shapes = views.Example((4, 3, 1), (4, 3, 1))
  plain, rectified = (
    networks.mlp(6, shapes, 1, {'code': 6}, widths=(8,), rectified=r).encoder
    for r in (False, True)
  )
  x = np.random.default_rng(0).random((9, 4, 3, 1), np.float32)
  variables = plain.init(jax.random.key(0), x)
  code, found = (net.apply(variables, x)['code'] for net in (plain, rectified))
  assert (code < 0).any()
  np.testing.assert_array_equal(found, np.maximum(code, 0))


def test_a_rectified_code_needs_a_point_posterior(tiny, batch):
  ex = override(tiny, 'network.rectified=True')
  with pytest.raises(ValueError, match='posteriors.point'):
    ex.model(batch)
  assert override(ex, 'posterior=point').model(batch).latents == 3

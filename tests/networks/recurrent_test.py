import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import data
from vae_jax.config import Experiment
from vae_jax.factors import likelihoods, objectives, views
from vae_jax.networks import recurrent
from vae_jax.networks.recurrent import sample

BAR, BARS, B = 4, 2, 3
FORMS = {
  'flat': {},
  'conducted': {'conductor': 7, 'by_bar': True},
}


def sequences(tracks=1, classes=6, seed=0):
  """Random sequences of 2 bars of 4 steps."""
  rng = np.random.default_rng(seed)
  x = rng.integers(0, classes, (B, BARS * BAR * tracks)).astype(np.uint16)
  shape = BARS * BAR, tracks, classes
  return data.Batch(x, None, shape, float(classes - 1), numbers=True)


def modelled(batch, **form):
  network = functools.partial(
    recurrent, encoder=5, widths=(6, 4), bar=BAR, **form
  )
  ex = Experiment(
    network=network, latents=3, likelihood=likelihoods.categorical
  )
  model = ex.model(batch)
  example = views.clean(batch, None)
  return model, model.init(jax.random.key(0), example), example


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('tracks, drums', [(1, ()), (2, (1,))])
def test_after_its_own_choices_a_teacher_says_what_it_said(form, tracks, drums):
  batch = sequences(tracks, 512 if drums else 6)
  model, params, example = modelled(batch, drums=drums, **FORMS[form])
  z_BZ = model.encode(params, example.seen).mean
  free = model.decode(params, z_BZ)
  choice = jax.nn.one_hot(free.argmax(-1), batch.shape[2])
  taught = model.decode(params, z_BZ, teacher=choice)
  assert free.shape == example.wanted.shape
  np.testing.assert_allclose(taught, free, atol=1e-5)
  # Another teacher changes what is said, but for the first step.
  other = model.decode(params, z_BZ, teacher=example.wanted)
  np.testing.assert_allclose(other[:, 0], free[:, 0], atol=1e-5)
  assert np.abs(other - free)[:, 1:].max() > 1e-3


def test_a_step_is_said_after_the_steps_before_it_alone():
  batch = sequences()
  model, params, example = modelled(batch)
  z_BZ = jnp.ones((B, 3))

  def said(wanted):
    return model.decode(params, z_BZ, teacher=wanted)[:, 4].sum()

  gradient = jax.grad(said)(example.wanted)
  moved = np.abs(gradient).max((0, 2, 3)) > 0
  np.testing.assert_array_equal(moved, [1, 1, 1, 1, 0, 0, 0, 0])


def test_a_bar_under_a_conductor_forgets_all_but_the_last_step_before_it():
  batch = sequences()
  model, params, example = modelled(batch, **FORMS['conducted'])
  z_BZ = jnp.ones((B, 3))

  def said(wanted):
    return model.decode(params, z_BZ, teacher=wanted)[:, 5].sum()

  gradient = jax.grad(said)(example.wanted)
  moved = np.abs(gradient).max((0, 2, 3)) > 0
  np.testing.assert_array_equal(moved, [0, 0, 0, 1, 1, 0, 0, 0])


@pytest.mark.parametrize('form', FORMS)
def test_a_code_of_fewer_latents_is_a_padded_one(form):
  batch = sequences()
  model, params, example = modelled(batch, **FORMS[form])
  mask = jnp.array([1.0, 1.0, 0.0])
  z_BZ = jax.random.normal(jax.random.key(1), (B, 3))
  masked = model.bind(mask).decode(params, z_BZ, teacher=example.wanted)

  def short(path, leaf):
    """The parameters without the rows of the last latent."""
    name = jax.tree_util.keystr(path)
    first = 'start' in name or 'lstm_0' in name
    if form == 'conducted':
      first = 'conductor' in name
    if name.endswith("['kernel']") and first:
      return leaf[:-1]
    return leaf

  small = jax.tree_util.tree_map_with_path(short, params['decoder'])
  network = model.network
  (logits, _) = network.decoder.apply(
    {'params': small}, z_BZ[:, :2], None, example.wanted
  )
  np.testing.assert_allclose(masked, logits, atol=1e-5)
  assert model.maskable


def test_at_temperature_0_what_is_drawn_is_the_likeliest():
  batch = sequences()
  model, params, _ = modelled(batch)
  z_BZ = jax.random.normal(jax.random.key(1), (B, 3))
  key_B = jax.random.split(jax.random.key(2), B)
  drawn = sample(model, params, z_BZ, key_B, temperature=0.0)
  wanted = model.decode(params, z_BZ).argmax(-1)
  np.testing.assert_array_equal(drawn.argmax(-1), wanted)
  key_B = jax.random.split(jax.random.key(3), B)
  hot = sample(model, params, z_BZ, key_B, temperature=1.0)
  assert (hot.argmax(-1) != wanted).mean() > 0.2
  np.testing.assert_array_equal(hot.sum(-1), 1)


def test_draws_of_a_step_have_the_probabilities_of_its_logits():
  batch = sequences()
  model, params, _ = modelled(batch)
  params = jax.tree.map(lambda w: 3 * w, params)
  count = 4000
  z_BZ = jnp.tile(jnp.array([[1.0, -1.0, 2.0]]), (count, 1))
  key_B = jax.random.split(jax.random.key(2), count)
  drawn = sample(model, params, z_BZ, key_B)[:, 0, 0].mean(0)
  wanted = jax.nn.softmax(model.decode(params, z_BZ[:1])[0, 0, 0])
  assert wanted.max() > 2 * wanted.min()
  np.testing.assert_allclose(drawn, wanted, atol=0.03)


@pytest.mark.parametrize('own, same_as', [(0.0, 'taught'), (1.0, 'drawn')])
def test_scheduled_sampling_goes_from_the_teacher_to_itself(own, same_as):
  batch = sequences()
  model, params, example = modelled(batch)
  z_BZ = jax.random.normal(jax.random.key(1), (B, 3))
  key_B = jax.random.split(jax.random.key(2), B)
  mixed = model.decode(params, z_BZ, teacher=example.wanted, key=key_B, own=own)
  taught = model.decode(params, z_BZ, teacher=example.wanted)
  far = np.abs(mixed - taught).max()
  assert far < 1e-5 if same_as == 'taught' else far > 1e-3


def test_tracks_say_no_class_that_they_do_not_have():
  batch = sequences(2, 512)
  model, params, _ = modelled(batch, drums=(1,))
  logits = model.decode(params, jnp.ones((B, 3)))
  assert (logits[:, :, 0, 90:] < -1e8).all()
  assert (logits[:, :, 0, :90] > -1e8).all() and (logits[:, :, 1] > -1e8).all()


def test_drums_are_tracks_that_are_there_and_named_where_they_must_be():
  with pytest.raises(ValueError, match='the tracks are 0 to 1'):
    modelled(sequences(2, 512), drums=(1, 5))
  with pytest.raises(ValueError, match='512 classes are those of drums'):
    modelled(sequences(1, 512))


def test_what_is_given_at_each_step_or_once_is_the_same():
  batch = sequences()
  network = functools.partial(recurrent, encoder=5, widths=(6,), bar=BAR)
  ex = Experiment(
    network=network, latents=3, likelihood=likelihoods.categorical
  )
  model, wanted = ex.model(batch), batch.images()
  once = jax.random.normal(jax.random.key(4), (B, 2))
  always = jnp.repeat(once[:, None], wanted.shape[1], 1)
  example = views.Example(wanted, wanted, once)
  params, z_BZ = model.init(jax.random.key(0), example), jnp.ones((B, 3))
  for teacher in (None, wanted):
    pair = [
      model.decode(params, z_BZ, given, teacher) for given in (once, always)
    ]
    np.testing.assert_allclose(*pair, atol=1e-5)
  pair = [model.encode(params, wanted, g).mean for g in (once, always)]
  np.testing.assert_allclose(*pair, atol=1e-5)


def test_bars_must_fill_a_sequence():
  with pytest.raises(ValueError, match='8 steps are no bars of 3'):
    network = functools.partial(recurrent, bar=3, conductor=4)
    ex = Experiment(network=network, likelihood=likelihoods.categorical)
    ex.model(sequences())


def test_scheduled_sampling_is_the_elbo_at_no_share_and_no_bound_at_all():
  batch = sequences()
  model, params, example = modelled(batch)

  def keys():
    return jax.random.split(jax.random.key(5), B)

  def losses(own):
    return objectives.scheduled_elbo(
      model, params, example, keys(), own=own, beta=0.5
    )

  none, whole = losses(0.0), losses(1.0)
  # The same draw of the posterior: the elbo of the first half of each key.
  key_q = jax.vmap(lambda key: jax.random.split(key)[0])(keys())
  wanted = objectives.elbo(model, params, example, key_q, beta=0.5)
  np.testing.assert_allclose(none['loss'], wanted['loss'], rtol=1e-5)
  np.testing.assert_allclose(none['mixed_nats'], wanted['nll_nats'], rtol=1e-5)
  np.testing.assert_allclose(whole['kl_nats'], wanted['kl_nats'], rtol=1e-5)
  assert np.abs(whole['mixed_nats'] - none['mixed_nats']).max() > 1e-3

import functools

import pytest

from vae_jax import config, networks
from vae_jax.config.override import override
from vae_jax.measures import per_example


def changed(*assignments):
  """The fields that these overrides leave different from the defaults."""
  ex = config.Experiment()
  for assignment in assignments:
    ex = override(ex, assignment)
  new = config.rendered(ex)
  old = config.rendered(config.Experiment())
  return {name: new[name] for name in new if new[name] != old[name]}


@pytest.mark.parametrize(
  ('assignments', 'wanted'),
  [
    (['latents=8'], {'latents': '8'}),
    ([' latents = 8 '], {'latents': '8'}),
    (['learning_rate=1'], {'learning_rate': '1.0'}),
    (['learning_rate=3e-4'], {'learning_rate': '0.0003'}),
    (['steps=5', 'steps=None'], {}),
    (['seed=4294967295'], {'seed': '4294967295'}),
    (['monitor=mse'], {'monitor': "'mse'"}),
    (['network.widths=(256,)'], {'network': 'networks.mlp(widths=(256,))'}),
    (['network.widths=[9, 8]'], {'network': 'networks.mlp(widths=(9, 8))'}),
    (
      ['network=conv', 'network.dense=9', 'network.widths=(4,)'],
      {'network': 'networks.conv(dense=9, widths=(4,))'},
    ),
    (['network.widths=(9,)', 'network=conv'], {'network': 'networks.conv'}),
    (['likelihood=normal'], {'likelihood': 'likelihoods.normal'}),
    (
      ['likelihood=likelihoods.normal', 'likelihood.sigma=None'],
      {'likelihood': 'likelihoods.normal(sigma=None)'},
    ),
    (['optimizer=scale_by_rms'], {'optimizer': 'optax.scale_by_rms'}),
    (['optimizer=optax.scale_by_lion'], {'optimizer': 'optax.scale_by_lion'}),
    (['optimizer.b1=0.5'], {'optimizer': 'optax.scale_by_adam(b1=0.5)'}),
    (
      ['optimizer.nesterov=True'],
      {'optimizer': 'optax.scale_by_adam(nesterov=True)'},
    ),
    (
      ['objective=objectives.reconstruction'],
      {'objective': 'objectives.reconstruction'},
    ),
    (['posterior=point'], {'posterior': 'posteriors.point'}),
    (
      ['view=noisy', 'view.shift=-1'],
      {'view': 'views.noisy(shift=-1.0)'},
    ),
    (
      ['measures=(evaluate.quality,)', 'measures=elbo, quality'],
      {'measures': '(objectives.elbo, per_example.quality)'},
    ),
    (['beta=2'], {'objective': 'objectives.elbo(beta=2.0)'}),
    (
      ['objective.beta=2', 'free_bits=1', 'beta=3'],
      {'objective': 'objectives.elbo(beta=3.0, free_bits=1.0)'},
    ),
    (
      ['objective=elbo(beta=4, free_bits=0.5)'],
      {'objective': 'objectives.elbo(beta=4.0, free_bits=0.5)'},
    ),
    (['view=noisy', 'noise=0'], {'view': 'views.noisy(noise=0.0)'}),
    (
      ['network=networks.conv(widths=(4, 8), dense=9)'],
      {'network': 'networks.conv(dense=9, widths=(4, 8))'},
    ),
    (
      ['measures=per_example.sparseness(threshold=0.5), objectives.elbo'],
      {'measures': '(per_example.sparseness(threshold=0.5), objectives.elbo)'},
    ),
    (
      ['schedule.beta=linear(steps=50)'],
      {'schedule': "(('objective.beta', schedules.linear(steps=50)),)"},
    ),
    (
      [
        'schedule.objective.beta=linear',
        'schedule.learning_rate=schedules.warm_cosine(warm=9)',
        'schedule.objective.beta=saturating',
      ],
      {
        'schedule': "(('learning_rate', schedules.warm_cosine(warm=9)), "
        "('objective.beta', schedules.saturating))"
      },
    ),
    (['schedule.beta=linear', 'schedule.objective.beta=None'], {}),
    (['schedule.beta=linear', 'schedule=None'], {}),
    (['clip_norm=5', 'clip_norm=None'], {}),
    (['report=claims.beats_baselines', 'report=None'], {}),
    (['pictures=pictures.curves', 'pictures=()'], {}),
  ],
)
def test_an_override_changes_its_field_and_no_other(assignments, wanted):
  assert changed(*assignments) == wanted


def test_a_function_of_a_file_of_the_user_s_own_is_named_by_its_module(
  tmp_path, monkeypatch
):
  (tmp_path / 'my_report.py').write_text('def said(runs):\n  return runs\n')
  monkeypatch.syspath_prepend(tmp_path)
  wanted = {'report': 'my_report.said'}
  assert changed('report=my_report.said') == wanted


def test_an_override_keeps_the_other_arguments_of_a_partial():
  ex = config.Experiment(
    network=functools.partial(networks.unet, widths=(8,), dense=16)
  )
  ex = override(ex, 'network.dense=32')
  assert ex.network.func is networks.unet
  assert ex.network.keywords == {'widths': (8,), 'dense': 32}


REFUSED = [
  ('latents', 'form FIELD=VALUE'),
  ('latents=', 'latents= needs a value'),
  ('laten=3', "unknown field 'laten' (did you mean 'latents'?): there are"),
  ('latents=two', "latents must be a whole number or None, not 'two'"),
  ('latents=2.5', "latents must be a whole number or None, not '2.5'"),
  ('latents=True', "latents must be a whole number or None, not 'True'"),
  ('latents=((((', 'latents must be a whole number'),
  ('latents={[]:1}', 'latents must be a whole number'),
  ('latents=0', 'latents must be from 1 to 1048576, not 0'),
  ('latents=2,4', "latents must be a whole number or None, not '2,4'"),
  ('arms=x', "unknown arm 'x': there are none"),
  ('steps=-5', 'steps must be from 1 to 2147483647, not -5'),
  ('steps=1.5', 'steps must be a whole number or None'),
  ('epochs=0', 'epochs must be from 1e-06 to 1000000, not 0'),
  ('learning_rate=inf', "learning_rate must be a finite number, not 'inf'"),
  ('learning_rate=nan', "learning_rate must be a finite number, not 'nan'"),
  ('learning_rate=1e999', 'learning_rate must be from 1e-12 to 1e+12, not 1e'),
  ('learning_rate=' + '9' * 400, 'learning_rate must be from 1e-12 to'),
  ('learning_rate=0', 'learning_rate must be from'),
  ('beta=-1', 'beta must be from 0 to 1e+12, not -1'),
  ('seed=4294967296', 'seed must be from 0 to 4294967295, not 4294967296'),
  ('seed=-1', 'seed must be from 0'),
  ('latents.x=3', 'latents.x: 2 has no arguments'),
  ('critic.x=3', 'critic.x: None has no arguments'),
  ('critic=mlp', 'say module.name'),
  (
    'network.width=(3,)',
    "unknown argument 'width' of networks.mlp (did you mean 'widths'?)",
  ),
  ('network.latents=3', "unknown argument 'latents' of networks.mlp"),
  ('posterior.z_mask=3', "unknown argument 'z_mask' of posteriors.normal"),
  ('network.widths=256', 'a tuple of whole numbers above 0, as in (256,)'),
  ("network.widths=('a',)", 'a tuple of whole numbers above 0'),
  ('network.widths=(2.5,)', 'a tuple of whole numbers above 0'),
  ('network.widths=(0,)', 'a tuple of whole numbers above 0'),
  ('network.widths=((1,),)', 'a tuple of whole numbers above 0'),
  ('network.widths.x=3', 'has no arguments'),
  ('optimizer.b1=x', "optimizer.b1 must be a finite number, not 'x'"),
  ('optimizer.b1=1e999', 'optimizer.b1 must be finite, not 1e999'),
  ('optimizer.nesterov=1', "optimizer.nesterov must be True or False, not '1'"),
  ('network=cnv', "network cannot be 'cnv' (did you mean 'conv'?): there are"),
  ('network=nets.conv', "did you mean 'conv'?): there are networks.classifier"),
  (
    'network=objectives.elbo',
    'there are networks.classifier, networks.conv',
  ),
  (
    'network=None',
    'there are networks.classifier, networks.conv',
  ),
  ('objective=networks.mlp', 'there are objectives.elbo'),
  ('view=jnp', 'there are views.clean, views.noisy'),
  ('view=views.jax.vmap', 'there are views.clean, views.noisy'),
  ('view=views.Example', 'called with (batch, key_B)'),
  ('prior=priors.StandardNormal', "did you mean 'standard_normal'?"),
  ('posterior=priors.StandardNormal', 'there are posteriors.point'),
  ('likelihood=optax.scale_by_adam', 'there are likelihoods.bernoulli'),
  ('optimizer=likelihoods.normal', 'scale_by_rms'),
  ('optimizer=optax.adam', 'scale_by_adam'),
  ('optimizer=optax.OptState', "optimizer cannot be 'optax.OptState'"),
  ('objective.beta=-1', 'objective.beta must be from 0 to 1e+12, not -1'),
  ('objective=elbo(beta=-1)', 'objective.beta must be from 0 to 1e+12'),
  ('objective=elbo(2)', 'give arguments by name, as in f(a=1)'),
  ('objective=elbo(**x)', 'give arguments by name, as in f(a=1)'),
  ('objective=elbo(beat=2)', "'beat' of objectives.elbo (did you mean 'beta'"),
  ('objective=elbo(key_B=2)', "unknown argument 'key_B' of objectives.elbo"),
  ('objective=elbo(', "objective cannot be 'elbo('"),
  ('noise=3', 'noise is view.noise, and views.clean has no noise: the numbers'),
  ('sparsity=1', 'objective.beta, objective.free_bits'),
  ('schedule=linear', 'as in schedule.learning_rate=linear'),
  (
    'schedule.latents=linear',
    "unknown number 'latents': there are learning_ra",
  ),
  ('schedule.beta=liner', "(did you mean 'linear'?): there are schedules.lin"),
  ('schedule.beta=exponential(rate=2)', 'rate must be from 1e-12 to 1, not 2'),
  ('clip_norm=0', 'clip_norm must be from 1e-12 to 1e+12, not 0'),
  ('measures=pictures.curves', 'there are per_example.kl_per_latent'),
]


@pytest.mark.parametrize(('assignment', 'words'), REFUSED)
def test_a_wrong_override_is_refused_in_one_line(assignment, words):
  ex = config.Experiment(measures=(per_example.quality,))
  with pytest.raises(config.ConfigError) as error:
    override(ex, assignment)
  line = str(error.value)
  assert words in line
  assert '\n' not in line
  assert len(line) < 500


@pytest.mark.parametrize('value', [0, -1])
def test_the_sizes_of_a_network_are_above_0(value):
  ex = override(config.Experiment(), 'network=conv')
  with pytest.raises(config.ConfigError, match='network.dense must be 1 or'):
    override(ex, f'network.dense={value}')


def test_every_plain_default_survives_being_text():
  ex = config.Experiment()
  for field in config.plain_fields():
    text = str(getattr(ex, field.name))
    assert override(ex, f'{field.name}={text}') == ex


def test_a_path_may_hold_commas():
  ex = override(config.Experiment(), 'dataset=folder:/a, b/c')
  assert ex.dataset == 'folder:/a, b/c'

import dataclasses
import functools
import importlib
import json
import pathlib
import pkgutil
import re

import optax
import pytest

import experiments
from vae_jax import config, networks
from vae_jax.config import lookup
from vae_jax.config import text as text_module
from vae_jax.config.text import restored
from vae_jax.factors import likelihoods, objectives, posteriors, views
from vae_jax.measures import per_example

NAMES = [module.name for module in pkgutil.iter_modules(experiments.__path__)]


@pytest.mark.parametrize('name', NAMES)
def test_an_experiment_comes_back_from_its_text(name):
  ex = importlib.import_module(f'experiments.{name}').experiment
  text = config.rendered(ex)
  found = restored(text)
  assert config.rendered(found) == text
  assert found.latents == ex.latents
  assert config.parts(found.network) == config.parts(ex.network)


def test_partials_and_tuples_come_back_as_they_were(tiny):
  ex = dataclasses.replace(
    tiny,
    network=functools.partial(networks.conv, widths=(4, 8), kernel=5),
    likelihood=functools.partial(likelihoods.normal, sigma=None),
    learning_rate=3e-5,
    steps=None,
  )
  found = restored(config.rendered(ex))
  assert found.network.func is networks.conv
  assert found.network.keywords == {'widths': (4, 8), 'kernel': 5}
  assert found.likelihood.keywords == {'sigma': None}
  assert found.learning_rate == 3e-5
  assert found.steps is None
  assert found.measures == ex.measures


@pytest.mark.parametrize(
  'name, text, words',
  [
    ('network', 'networks.transformer', 'network=networks.transformer cannot'),
    ('objective', 'nowhere.elbo', 'nowhere'),
    ('latents', '2 +', 'latents=2 \\+ cannot'),
    ('colour', '3', "no field 'colour'"),
    ('view', '__import__("os").system("true")', 'cannot be had'),
    ('view', 'os.system', "no module 'os' of vae_jax or your own"),
    ('view', 'subprocess.run(args="true")', "no module 'subprocess'"),
    ('network', 'numpy.load', "no module 'numpy'"),
    ('network', 'flax.linen.Dense', "no module 'flax.linen'"),
    ('view', '__main__.view', "no module '__main__'"),
  ],
)
def test_a_text_that_means_nothing_is_one_clear_line(name, text, words):
  with pytest.raises(config.ConfigError, match=words):
    restored({name: text})


NOVEMBER = json.loads(
  pathlib.Path(__file__).with_name('november.json').read_text()
)


# A posterior is a record now, and its factory no class.
RENAMED = {'Normal': 'normal', 'Point': 'point'}


@pytest.mark.parametrize('name', NOVEMBER['texts'])
def test_what_runs_of_november_say_means_what_it_did(name):
  """Every function that an experiment named when the folders were flat."""
  for text in NOVEMBER['texts'][name]:
    if 'experiments.' in text:  # functions of its own: no model needs them
      assert name in ('report', 'pictures')
      restored({name: text}, model_only=True)
      continue
    value = getattr(text_module.restored({name: text}), name)
    wanted = [
      part.rpartition('.')[2] for part in re.findall(r'[\w.]+\.\w+', text)
    ]
    functions = value if isinstance(value, tuple) else (value,)
    names = [text_module.name_of(f) for f in functions if f is not None]
    wanted = [RENAMED.get(one, one) for one in wanted if not one.isdigit()]
    assert [one for one in wanted if one != 'constant'] == names


def test_renamed_modules_are_no_difference_and_other_functions_are():
  old = NOVEMBER['config']['fields']
  new = config.rendered(restored(old))
  assert new['measures'] == '(objectives.elbo, per_example.quality)'
  assert text_module.differences(old, new) == []
  assert text_module.current(
    '(evaluate.quality, my.evaluate.elbo, evaluate_x.f, evaluate.elbo)'
  ) == (
    '(per_example.quality, my.evaluate.elbo, evaluate_x.f, objectives.elbo)'
  )
  other = new | {'view': 'views.noisy'}
  assert text_module.differences(old, other) == [
    'view was views.clean, now views.noisy'
  ]


def test_a_model_alone_leaves_what_it_has_no_use_for_at_its_default():
  texts = {
    'view': 'views.noisy',
    'report': 'lost.report',
    'objective': 'gone.f',
  }
  ex = restored(texts, model_only=True)
  assert ex.view is views.noisy and ex.report is None
  with pytest.raises(config.ConfigError, match='report=lost.report'):
    restored(texts)


def test_modules_are_called_by_the_names_of_their_files():
  assert text_module.module('views') is views
  assert text_module.module('networks') is networks
  assert text_module.module('optax') is optax
  assert text_module.module('experiments.vae').experiment
  assert text_module.module_name(views.noisy) == 'views'
  assert text_module.module_name(networks.conv) == 'networks'
  assert text_module.module_name(optax.scale_by_adam) == 'optax'


def test_no_two_files_with_functions_of_fields_have_one_name():
  """Or a text would not say which it means."""
  fields = config.function_fields()
  for name, dotted in text_module.own_files().items():
    found = importlib.import_module(dotted)
    for field in fields:
      for f in lookup.choices(
        found, field.default, field.metadata['takes']
      ).values():
        assert (
          getattr(text_module.module(text_module.module_name(f)), f.__name__)
          is f
        ), name


def test_a_rendered_experiment_differs_only_where_it_was_changed():
  ex = config.Experiment()
  new = dataclasses.replace(
    ex, latents=3, likelihood=functools.partial(likelihoods.normal, sigma=0.5)
  )
  assert text_module.differences(config.rendered(ex), config.rendered(new)) == [
    'likelihood was likelihoods.bernoulli, now likelihoods.normal(sigma=0.5)',
    'latents was 2, now 3',
  ]


def test_a_longer_run_or_another_report_is_the_same_experiment():
  ex = config.Experiment()
  new = dataclasses.replace(
    ex, steps=5, epochs=3.0, measures=(per_example.quality,), report_every=2
  )
  assert (
    text_module.differences(config.rendered(ex), config.rendered(new)) == []
  )


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (0.1, '0.1'),
    (None, 'None'),
    ((), '()'),
    ((objectives.elbo,), '(objectives.elbo,)'),
    (posteriors.normal, 'posteriors.normal'),
    (optax.scale_by_adam, 'optax.scale_by_adam'),
    (functools.partial(networks.mlp, widths=(3,)), 'networks.mlp(widths=(3,))'),
  ],
)
def test_a_value_renders_as_what_one_would_write(value, text):
  assert config.render(value) == text

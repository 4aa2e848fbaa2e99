"""What holds for any values of the fields of an experiment: hypothesis looks
for some for which it does not."""

import dataclasses
import functools
import types

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vae_jax import config, networks
from vae_jax.config import ConfigError, Experiment, lookup
from vae_jax.config.experiment import types_of
from vae_jax.config.override import bounds, override, settable
from vae_jax.config.text import differences, name_of, restored
from vae_jax.factors import likelihoods, objectives, views

EX = Experiment()
PLAIN = config.plain_fields()
NUMBERS = [field for field in PLAIN if field.metadata['low'] is not None]
# An experiment with something to set in every factor.
RICH = dataclasses.replace(
  EX,
  view=views.noisy,
  network=networks.conv,
  likelihood=functools.partial(likelihoods.normal, sigmoid=True),
)

WORDS = st.text(min_size=1).map(str.strip).filter(bool)
SIZES = st.lists(st.integers(1, 2**20)).map(tuple)
WEIGHTS = st.floats(0.0, 1e12)
ARGUMENTS = {
  bool: st.booleans(),
  int: st.integers(1, 2**31 - 1),
  float: WEIGHTS,
  tuple: SIZES,
}


def offered(field):
  """The functions to choose from for this field."""
  like, takes = field.default, field.metadata['takes']
  return list(lookup.choices(lookup.home_of(like), like, takes).values())


OFFERED = {
  field.name: offered(field)
  for field in config.function_fields()
  if callable(field.default)
}


def pairs(fields, values):
  """(name, value) of one of these fields."""

  def pair(field):
    return st.tuples(st.just(field.name), values(field))

  return st.sampled_from(fields).flatmap(pair)


def allowed(field):
  """Whatever this plain field may be."""
  low, high = field.metadata['low'], field.metadata['high']
  kinds = {
    bool: st.booleans,
    int: lambda: st.integers(low, high),
    float: lambda: st.floats(low, high),
    str: lambda: WORDS,
    types.NoneType: st.none,
  }
  return st.one_of([kinds[kind]() for kind in types_of(field.name)])


def outside(field):
  """Numbers of the field's type below and above its bounds."""
  low, high = field.metadata['low'], field.metadata['high']
  if float in types_of(field.name):
    below = st.floats(max_value=low, exclude_max=True)
    return below | st.floats(min_value=high, exclude_min=True)
  return st.integers(max_value=low - 1) | st.integers(min_value=high + 1)


def of_other_types(field):
  """Literals that are not of the field's types."""
  kinds = [st.text(), st.binary(), SIZES, st.complex_numbers()]
  if bool not in types_of(field.name):
    kinds.append(st.booleans())
  if float not in types_of(field.name):
    kinds.append(st.floats())
  if types.NoneType not in types_of(field.name):
    kinds.append(st.none())
  return st.one_of(kinds)


def within(f, parameter, field):
  """Values of the argument's type that it may have; None for other types."""
  values = ARGUMENTS.get(type(parameter.default))
  if type(parameter.default) is not float:
    return values
  low, high = bounds(f, parameter, field)
  return values.filter(lambda value: low <= value <= high)


@st.composite
def calls(draw):
  """(name, function) of a field, and any arguments for that function."""
  name = draw(st.sampled_from(list(OFFERED)))
  f = draw(st.sampled_from(OFFERED[name]))
  own = settable(f, Experiment.takes(name)).items()
  kinds = {k: within(f, parameter, name) for k, parameter in own}
  chosen = {k: values for k, values in kinds.items() if values is not None}
  keywords = draw(st.fixed_dictionaries({}, optional=chosen))
  return name, functools.partial(f, **keywords) if keywords else f


SETTINGS = pairs(PLAIN, allowed)
ALONE = st.lists(SETTINGS | calls(), max_size=6).map(
  lambda changes: dataclasses.replace(EX, **dict(changes))
)
OTHERS = st.tuples(WORDS, ALONE)  # arms that are experiments of their own
EXPERIMENTS = st.builds(
  lambda ex, arms: dataclasses.replace(ex, arms=tuple(arms)),
  ALONE,
  st.lists(OTHERS | st.just(('a', 'beta=2.0')), max_size=2),
)


def changed(ex, *changes):
  """The experiment after these overrides, one after another."""
  return functools.reduce(override, changes, ex)


@given(SETTINGS)
def test_a_plain_field_is_what_its_text_says(setting):
  name, value = setting
  ex = override(EX, f'{name}={value}')
  new = getattr(ex, name)
  assert new == value and type(new) is type(value)
  assert dataclasses.replace(ex, **{name: getattr(EX, name)}) == EX


@given(pairs(NUMBERS, outside) | pairs(NUMBERS, of_other_types))
def test_no_other_number_and_nothing_else_is_taken(setting):
  name, value = setting
  with pytest.raises(ConfigError) as error:
    override(EX, f'{name}={value!r}')
  assert str(error.value).startswith(f'{name} must be ')
  assert '\n' not in str(error.value)


# What some arguments must not be: too small, too large, or not finite.
FORBIDDEN = {
  'objective.beta': st.floats(max_value=-1e-9) | st.floats(min_value=1.1e12),
  'view.shift': st.floats(max_value=-1.1e12) | st.floats(min_value=1.1e12),
  'optimizer.b1': st.sampled_from(['inf', 'nan', '1e999', '-1e999', 'True']),
  'network.dense': st.integers(max_value=0) | st.floats(),
  'network.widths': st.integers()
  | st.lists(st.integers(max_value=0), min_size=1),
}


@given(st.data(), st.sampled_from(list(FORBIDDEN)))
def test_no_other_argument_is_taken(data, path):
  value = data.draw(FORBIDDEN[path])
  with pytest.raises(ConfigError, match=f'^{path} must be [^\n]*$'):
    override(RICH, f'{path}={value}')


@given(EXPERIMENTS)
def test_any_experiment_comes_back_from_its_text(ex):
  text = config.rendered(ex)
  again = restored(text)
  assert config.rendered(again) == text
  assert differences(text, text) == []
  for name in config.fields().keys() - {'arms'}:
    new, old = (config.parts(getattr(one, name)) for one in (again, ex))
    assert new == old


@given(st.sampled_from(['evaluate', 'reports', 'latent_pictures']))
def test_a_file_of_the_user_s_may_have_an_old_name_of_ours(name):
  text = config.rendered(override(EX, f'dataset=npz:/data/{name}.npz'))
  assert differences(text, text) == []


@given(calls())
def test_a_function_as_it_is_rendered_is_an_override(call):
  name, f = call
  text = config.render(f)
  assert config.render(getattr(override(EX, f'{name}={text}'), name)) == text
  base, keywords = config.parts(f)
  each = [f'{name}.{k}={config.render(v)}' for k, v in keywords.items()]
  ex = changed(EX, f'{name}={config.render(base)}', *each)
  assert config.render(getattr(ex, name)) == text


@given(st.sampled_from(views.CHANGES))
def test_a_word_as_it_is_rendered_is_an_override(change):
  text = config.render(functools.partial(views.transformed, change=change))
  assert config.render(override(EX, f'view={text}').view) == text


# Each changes something else in RICH, whatever the others change.
APART = {
  **{field.name: allowed(field) for field in PLAIN},
  **dict.fromkeys(('beta', 'free_bits', 'noise', 'view.shift'), WEIGHTS),
  'network.widths': SIZES,
  'network.dense': st.integers(1, 2**20),
  'optimizer': st.sampled_from(['scale_by_lion', 'optax.scale_by_rms']),
  'likelihood.sigma': st.none() | WEIGHTS,
  'measures': st.just('per_example.quality, objectives.elbo'),
  'critic': st.just('networks.critic(widths=(9,))'),
  'schedule.beta': st.sampled_from(['linear', 'cosine(steps=9)']),
}


@st.composite
def in_two_orders(draw, paths):
  """Overrides of some of these paths, and the same in another order."""
  chosen = draw(st.lists(st.sampled_from(paths), unique=True, max_size=6))
  changes = [f'{path}={draw(APART[path])}' for path in chosen]
  return changes, draw(st.permutations(changes))


@given(in_two_orders(list(APART)))
def test_the_order_of_independent_overrides_does_not_matter(orders):
  one, two = (changed(RICH, *changes) for changes in orders)
  assert config.rendered(one) == config.rendered(two)
  assert one.leaves() == two.leaves()


@given(st.permutations(['beta', 'view.noise', 'learning_rate']))
@example(['view.noise', 'beta', 'learning_rate'])
def test_the_order_of_schedules_does_not_matter(leaves):
  one, two = (
    config.rendered(
      changed(RICH, *[f'schedule.{leaf}=linear' for leaf in each])
    )
    for each in (leaves, sorted(leaves))
  )
  assert differences(one, two) == []


@given(
  st.lists(
    st.tuples(
      st.sampled_from(['objective.beta', 'view.noise', 'learning_rate']),
      st.sampled_from(['linear', 'cosine', 'None']),
    )
  )
)
def test_a_leaf_has_the_last_schedule_that_it_was_given(pairs):
  ex = changed(RICH, *[f'schedule.{leaf}={name}' for leaf, name in pairs])
  wanted = {leaf: name for leaf, name in dict(pairs).items() if name != 'None'}
  assert len(ex.schedule) == len(wanted)
  assert {leaf: name_of(f) for leaf, f in ex.schedule} == wanted


def weighted(model, params, example, key_B, *, f=objectives.sparse, w=2.0):
  """An objective of the user's own: of another, with a weight."""
  raise NotImplementedError


OWN = dataclasses.replace(RICH, objective=weighted)


@given(
  st.sampled_from(['learning_rate', 'view.shift', 'objective.f.sparsity']),
  st.floats(1e-12, 1e12) | st.integers(1, 2**30),
)
def test_a_float_argument_is_a_leaf(leaf, value):
  leaves = override(OWN, f'{leaf}={value}').leaves()
  assert leaves == OWN.leaves() | {leaf: value}
  assert leaf in OWN.leaves() and type(leaves[leaf]) is float

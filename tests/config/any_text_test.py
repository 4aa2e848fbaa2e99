"""Whatever a user types is what it says or one line that says why not:
hypothesis types. Texts that get something else are tests of their own."""

import dataclasses
import functools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vae_jax import config, networks
from vae_jax.config import ConfigError, Experiment, grid, lookup
from vae_jax.config.experiment import SHORT
from vae_jax.config.override import override
from vae_jax.config.text import module, restored
from vae_jax.factors import views

EX = Experiment()
ARMED = dataclasses.replace(
  EX,
  view=views.noisy,
  network=functools.partial(networks.conv, widths=(4,)),
  arms=(('a', 'network.dense=4'), ('b', 'optimizer=scale_by_lion')),
)
FIELDS = config.function_fields()
CHOOSING = [field for field in FIELDS if callable(field.default)]

# What overrides are made of, and what they are not.
TOKENS = [
  *('arms', 'schedule', 'widths', 'sigma', 'steps', 'b1', 'decay_rate_fn'),
  *('conv', 'normal', 'noisy', 'linear', 'elbo', 'scale_by_factored_rms'),
  *('networks', 'optax', 'views', 'schedules', 'os', 'evaluate', '__main__'),
  *('elbo(beta=2)', 'networks.conv(dense=9)', 'noisy(noise=noisy)', 'a', 'b'),
  *('0', '-1', '2.5', 'nan', '1e999', '(3,)', '[4, 5]', '()', '(1e999,)'),
  *('None', 'True', "'a'", 'b""', '{[]}', '*a', '**a', 'f(1)', '((((', '\0'),
]
SIGNS = ['', '.', ',', '|', '=', ' ', '(', ')', "'", '#', '-', '\t', '\x85']
NAMES = [*config.fields(), *SHORT, *TOKENS]
TEXTS = st.one_of(
  st.sampled_from(TOKENS),
  st.lists(st.sampled_from(TOKENS + SIGNS), max_size=8).map(''.join),
  st.text(max_size=30),
)
PATHS = st.one_of(
  st.sampled_from(['latents', 'network.widths', 'view', 'measures', 'arms']),
  st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map('.'.join),
)
# Whatever is there by name, most of which fits nowhere.
THERE = [
  f'{name}.{attribute}'
  for name in ('views', 'networks', 'posteriors', 'objectives', 'optax')
  for attribute in vars(module(name))
]
CHANGES = TEXTS | st.builds('{}={}'.format, PATHS, TEXTS)


def in_one_line(f, *args):
  """What f returns, None if it refuses its arguments in one line."""
  try:
    return f(*args)
  except ConfigError as error:
    assert str(error) and '\n' not in str(error)


@settings(max_examples=100)
@given(st.sampled_from([EX, ARMED]), st.lists(CHANGES, max_size=4))
def test_any_text_is_an_override_or_refused_in_one_line(ex, texts):
  for text in texts:
    ex = in_one_line(override, ex, text) or ex
  rendered = config.rendered(ex)
  assert config.rendered(restored(rendered)) == rendered


@settings(max_examples=100)
@given(st.sampled_from([EX, ARMED]), st.lists(CHANGES, max_size=2))
def test_any_texts_are_a_grid_or_refused_in_one_line(ex, texts):
  members = in_one_line(grid.members, ex, texts) or []
  assert len({member.name for member in members}) == len(members)


@settings(max_examples=100)
@given(st.sampled_from(FIELDS), TEXTS | st.sampled_from(THERE))
def test_any_text_is_a_function_that_fits_or_refused_in_one_line(field, text):
  like, takes = field.default or None, field.metadata['takes']
  f = in_one_line(lookup.function, text, like, takes, field.name)
  assert f is None or lookup.fits(f, like, takes)


@pytest.mark.parametrize(
  'texts',
  [
    ('beta.x=3',),
    (
      'optimizer=scale_by_distance_over_gradients',
      'optimizer.param_dtype=x',
    ),
    (f'objective=elbo(beta={"-" * 800}1)',),
    ('latents=(\n0)',),
    (f'latents{".x" * 800}=3',),
    *((f'latents={"-" * deep}1',) for deep in (800, 3000, 10**5)),
    *((f'network={"-" * deep}1',) for deep in (800, 3000, 10**5)),
    *((f'{name}=\ud800',) for name in ('latents', 'network', 'measures')),
    ('latents={[]}',),
    ('monitor=',),
    ('network=.conv',),
    ('network=a\nb',),
    ('latents\n',),
  ],
  ids=lambda texts: ascii(texts[-1])[:40],
)
def test_a_text_that_means_nothing_is_refused_in_one_line(texts):
  *before, last = texts
  ex = functools.reduce(override, before, EX)
  with pytest.raises(ConfigError) as error:
    override(ex, last)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('field', FIELDS, ids=lambda field: field.name)
def test_every_function_that_fits_is_found_by_its_name(field):
  like, takes = field.default or None, field.metadata['takes']
  for f in lookup.everywhere(like, takes).values():
    assert lookup.function(config.render(f), like, takes, field.name) is f


@pytest.mark.parametrize('field', CHOOSING, ids=lambda field: field.name)
def test_every_function_on_offer_is_found_by_its_name_alone(field):
  like, takes = field.default, field.metadata['takes']
  for name, f in lookup.choices(lookup.home_of(like), like, takes).items():
    assert lookup.function(name, like, takes, field.name) is f


@pytest.mark.parametrize(
  'name',
  [
    *(field.name for field in CHOOSING),
    'critic',
    'measures',
    'studies',
    'report',
  ],
)
def test_what_a_refusal_lists_is_taken(name):
  with pytest.raises(ConfigError) as error:
    override(EX, f'{name}=views.nothing')
  listed = re.search(
    r': there are (.*?)( and \d+ more)?, called', str(error.value)
  )
  for one in listed[1].split(', '):
    override(EX, f'{name}={one}')

import dataclasses
import functools

import pytest

from vae_jax import config, networks
from vae_jax.config import ConfigError, grid, rendered
from vae_jax.config.override import override
from vae_jax.reports import claims

ARMS = (
  ('narrow', 'network.widths=(4,)', 'steps=7'),
  ('photos', 'dataset=photos'),
)


@pytest.fixture
def armed(tiny):
  return dataclasses.replace(tiny, arms=ARMS)


def named(members):
  return {member.name: member for member in members}


def test_without_lists_and_arms_there_is_one_run(tiny):
  [member] = grid.members(tiny, ['latents=5', 'seed=1'])
  assert member.ex == override(override(tiny, 'latents=5'), 'seed=1')
  assert (member.name, member.arm, member.label) == ('', '', '')


def test_a_grid_is_the_product_of_its_lists(tiny):
  found = grid.members(tiny, ['latents=2,4', 'beta=0.5', 'seed=0,1,2'])
  points = [
    (m.ex.latents, m.ex.leaves()['objective.beta'], m.ex.seed) for m in found
  ]
  assert points == [(z, 0.5, s) for z in (2, 4) for s in (0, 1, 2)]
  assert found[1].name == 'latents=2_seed=1'
  assert found[1].label == 'latents=2'  # seeds of one label are averaged


def test_a_number_is_one_by_its_short_and_by_its_whole_name(tiny):
  short = grid.members(tiny, ['beta=0.5,1'])
  whole = grid.members(tiny, ['objective.beta=0.5|1'])
  texts = [[rendered(m.ex) for m in each] for each in (short, whole)]
  assert texts[0] == texts[1] and texts[0][0] != texts[0][1]
  assert [m.label for m in whole] == ['objective.beta=0.5', 'objective.beta=1']
  [last] = grid.members(tiny, ['beta=0.5,1', 'objective.beta=3'])
  assert last.ex.leaves()['objective.beta'] == 3.0


def test_a_number_goes_to_the_arms_that_have_it(tiny):
  arms = (('vae',), ('plain', 'objective=reconstruction'))
  ex = dataclasses.replace(tiny, arms=arms)
  found = named(grid.members(ex, ['beta=2,3']))
  assert list(found) == ['vae_beta=2', 'vae_beta=3', 'plain']
  assert found['plain'].changes == ['arms=plain']
  with pytest.raises(ConfigError, match='views.clean has no noise'):
    grid.members(ex, ['noise=2'])
  own = dataclasses.replace(tiny, arms=(('vae', 'beta=4.0'),))
  with pytest.raises(ConfigError, match='objective.beta of its own'):
    grid.members(own, ['objective.beta=2'])


def test_functions_and_their_arguments_are_listed_with_bars(tiny):
  changes = ['network=mlp|conv', 'network.widths=(4,)|(8, 8)']
  found = grid.members(tiny, changes)
  points = [(m.ex.network.func, m.ex.network.keywords) for m in found]
  assert points == [
    (f, {'widths': w})
    for f in (networks.mlp, networks.conv)
    for w in ((4,), (8, 8))
  ]
  assert found[3].name == 'network=conv_network.widths=_8_8'


def test_commas_of_a_path_of_a_tuple_and_of_a_tuple_of_functions_stay(tiny):
  for change in (
    'dataset=npz:/a,b.npz',
    'network.widths=(4, 4)',
    'measures=evaluate.elbo, evaluate.quality',
  ):
    assert len(grid.members(tiny, [change])) == 1


def test_the_last_of_two_assignments_counts(tiny):
  found = grid.members(tiny, ['latents=2,4', 'seed=3', 'latents=8'])
  assert [m.ex.latents for m in found] == [8]


def test_a_value_given_twice_is_one_run(tiny):
  assert len(grid.members(tiny, ['latents=2,4,2'])) == 2


def test_every_arm_is_a_run_with_the_arm_s_own_fields(armed):
  found = named(grid.members(armed, []))
  assert list(found) == ['narrow', 'photos']
  assert found['narrow'].ex.network.keywords == {'widths': (4,)}
  assert found['photos'].ex.dataset == 'photos'
  assert all(member.ex.arms == () for member in found.values())


def test_arms_are_chosen_by_name(armed):
  [member] = grid.members(armed, ['arms=photos'])
  assert member.arm == 'photos'
  with pytest.raises(ConfigError, match="'potos'.*photos.*narrow"):
    grid.members(armed, ['arms=potos'])


def test_an_override_spares_the_arms_that_set_the_field_themselves(armed):
  found = named(grid.members(armed, ['dataset=mnist', 'latents=2,3']))
  datasets = {m.arm: m.ex.dataset for m in found.values()}
  assert datasets == {'narrow': 'mnist', 'photos': 'photos'}
  assert len(found) == 4


def test_a_list_that_an_arm_does_not_take_multiplies_the_others_alone(armed):
  found = grid.members(armed, ['dataset=digits,mnist'])
  assert [m.name for m in found] == [
    'narrow_dataset=digits', 'narrow_dataset=mnist', 'photos',
  ]  # fmt: skip


def test_an_override_without_effect_is_an_error(armed):
  with pytest.raises(ConfigError, match='every arm has a dataset of its own'):
    grid.members(armed, ['arms=photos', 'dataset=mnist'])


def test_an_arm_may_be_another_experiment_on_the_same_data(tiny):
  other = config.Experiment(
    network=functools.partial(networks.conv, widths=(4,)),
    latents=7,
    epochs=3.0,
    report=claims.rightly_classified,
    arms=(('more',),),
  )
  ex = dataclasses.replace(
    tiny,
    dataset='photos',
    report=claims.beats_baselines,
    arms=(('own',), ('other', other)),
  )
  changes = ['latents=2,3', 'network.widths=(8,)', 'seed=1', 'steps=5']
  *own, mine = grid.members(ex, changes)
  assert [member.ex.latents for member in own] == [2, 3]
  assert mine.arm == mine.label == 'other' and mine.name == 'other'
  assert mine.changes == ['arms=other', 'seed=1', 'steps=5']
  wanted = dataclasses.replace(
    other, dataset='photos', report=ex.report, arms=(), seed=1, steps=5
  )
  assert mine.ex == wanted
  [again] = grid.members(ex, mine.changes)
  assert again.ex == wanted
  [elsewhere, _] = grid.members(
    dataclasses.replace(ex, arms=(('other', wanted), ('own',))), ['seed=0']
  )
  assert elsewhere.ex.dataset == 'photos'


def test_how_long_it_trains_is_the_user_s_to_say_in_every_arm(armed):
  found = grid.members(armed, ['steps=2'])
  assert [m.ex.steps for m in found] == [2, 2]


def test_arguments_of_an_arm_s_function_can_be_overridden(armed):
  arms = (('conv', 'network=networks.conv'), ('mlp', 'network=networks.mlp'))
  armed = dataclasses.replace(armed, arms=arms)
  found = grid.members(armed, ['network.widths=(3,)'])
  assert [m.ex.network.func for m in found] == [networks.conv, networks.mlp]
  assert [m.ex.network.keywords for m in found] == [{'widths': (3,)}] * 2


def test_a_member_s_own_overrides_give_the_member_again(armed):
  changes = ['latents=2,4', 'steps=3', 'dataset=mnist', 'seed=5,6']
  for member in grid.members(armed, changes):
    [again] = grid.members(armed, member.changes)
    assert grid.rendered(again.ex) == grid.rendered(member.ex)
    assert again.arm == member.arm


def test_names_that_would_be_one_directory_are_told_apart(tiny):
  keep = functools.partial(grid.Member, ex=tiny, changes=[], arm='', label='')
  found = grid.distinct([keep('a'), keep('b'), keep('a')])
  assert [m.name for m in found] == ['a', 'b', 'a_2']


@pytest.mark.parametrize(
  ('changes', 'words'),
  [
    (['latents=2,x'], 'whole number'),
    (['latents=2,,4'], 'needs a value'),
    (['arms=x'], "unknown arm 'x'.*none"),
    (['latents'], 'not of the form FIELD=VALUE'),
  ],
)
def test_a_bad_list_is_one_clear_line(tiny, changes, words):
  with pytest.raises(ConfigError, match=words):
    grid.members(tiny, changes)

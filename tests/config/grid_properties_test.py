"""What holds for the grid of any lists of values: hypothesis looks for some for
which it does not."""

import dataclasses
import functools
import itertools

from hypothesis import given
from hypothesis import strategies as st

from vae_jax import config, networks
from vae_jax.config import Experiment, grid
from vae_jax.config.experiment import SHORT
from vae_jax.config.override import override
from vae_jax.config.text import name_of
from vae_jax.factors import views

EX = Experiment(view=views.noisy, network=networks.conv)
# Arms that differ in what the lists below leave alone.
ARMS = {'wide': ['network.dense=9'], 'lion': ['optimizer=scale_by_lion']}
ARMED = dataclasses.replace(EX, arms=tuple((k, *v) for k, v in ARMS.items()))

# What is listed with commas, then what is with bars.
COMMAS = {
  'latents': st.integers(1, 99),
  'seed': st.integers(0, 9),
  'batch_size': st.integers(1, 99),
  'learning_rate': st.floats(1e-9, 1.0),
  # Two that a directory cannot tell apart, and one too long for its name.
  'monitor': st.sampled_from(['a b', 'a/b', 'c' * 300]),
  'beta': st.floats(0.0, 9.0),
}
BARS = {
  'view.shift': st.floats(0.0, 9.0),
  'posterior': st.sampled_from(['point', 'normal']),
}
AXES = COMMAS | BARS


def lists_of(path):
  """Some values for a path, the same ones perhaps again."""
  return st.lists(AXES[path], min_size=1, max_size=3)


@st.composite
def grids(draw):
  """Path -> values: the lists of a grid, in their order."""
  paths = st.lists(st.sampled_from(list(AXES)), max_size=3, unique=True)
  return {path: draw(lists_of(path)) for path in draw(paths)}


def written(lists) -> list[str]:
  """The lists as the user writes them."""
  return [
    f'{path}={("," if path in COMMAS else "|").join(map(str, values))}'
    for path, values in lists.items()
  ]


def value_at(ex, path):
  """What an experiment has at this path, a function by its name."""
  value = ex.leaves().get(SHORT.get(path, path), getattr(ex, path, None))
  return name_of(value) if callable(value) else value


@given(grids())
def test_a_grid_is_every_arm_times_the_distinct_values_in_order(lists):
  members = grid.members(ARMED, written(lists))
  points = itertools.product(ARMS, *map(dict.fromkeys, lists.values()))
  assert list(points) == [
    (member.arm, *(value_at(member.ex, path) for path in lists))
    for member in members
  ]
  assert len({member.name for member in members}) == len(members)


@given(grids(), st.sets(st.sampled_from(list(AXES))))
def test_what_an_arm_sets_itself_is_not_multiplied_in_it(lists, own):
  own = [path for path in lists if path in own]
  changes = [f'{path}={lists[path][0]}' for path in own]
  arms = ('free',), ('own', 'optimizer=scale_by_lion', *changes)
  ex = dataclasses.replace(EX, arms=arms)
  members = [m.ex for m in grid.members(ex, written(lists)) if m.arm == 'own']
  values = {k: [v[0]] if k in own else v for k, v in lists.items()}
  points = itertools.product(*map(dict.fromkeys, values.values()))
  assert list(points) == [
    tuple(value_at(ex, path) for path in lists) for ex in members
  ]


@given(st.sampled_from([EX, ARMED]), grids())
def test_a_member_is_what_its_own_changes_make_alone(ex, lists):
  for member in grid.members(ex, written(lists)):
    [again] = grid.members(ex, member.changes)
    assert again.arm == member.arm
    own = [change for change in member.changes if change[:5] != 'arms=']
    alone = functools.reduce(override, [*ARMS.get(member.arm, ()), *own], EX)
    for one in (again.ex, alone):
      assert config.rendered(one) == config.rendered(member.ex)


@given(st.data(), st.sampled_from(list(AXES)), grids())
def test_of_two_lists_for_one_path_the_last_counts(data, path, lists):
  first, last = (data.draw(lists_of(path)) for _ in range(2))
  lists.pop(path, None)
  name = data.draw(st.sampled_from([path, SHORT.get(path, path)]))
  once = [*written(lists), *written({name: last})]
  twice, once = (
    [(m.name, m.changes, config.rendered(m.ex)) for m in grid.members(EX, c)]
    for c in ([*written({path: first}), *once], once)
  )
  assert twice == once

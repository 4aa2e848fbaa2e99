"""Several runs from one command: an experiment's arms and lists of values.

  --latents=2,4,8 --seed=0,1       a comma list on a number or a word
  --set='network=mlp|conv'         a list of functions, or of their arguments

A grid is every arm times the product of all lists.
"""

import dataclasses
import itertools
import re
from typing import NamedTuple

from vae_jax.config.declared import ConfigError
from vae_jax.config.experiment import (
  SHORT,
  Experiment,
  fields,
  plain_fields,
)
from vae_jax.config.override import has, override
from vae_jax.config.text import rendered


class Member(NamedTuple):
  """One run of a grid: an experiment without arms."""

  name: str  # of its directory
  ex: Experiment
  changes: list[str]  # the overrides that give this run alone
  arm: str
  label: str  # all in which it differs from its neighbours but the seed


def alone(ex: Experiment, changes=()) -> Member:
  """A run by itself, which needs no name."""
  return Member('', ex, list(changes), '', '')


def members(ex: Experiment, changes: list[str]) -> list[Member]:
  """The runs that these overrides ask for, each once; ConfigError in one line.

  What makes an arm what it is cannot be overridden in that arm; ConfigError if
  that leaves an override without any effect.
  """
  axes = list(lists(changes).values())
  named = [axis for axis in axes if axis[0].startswith('arms=')]
  if named:
    ex = override(ex, 'arms=' + ','.join(map(value_of, named[0])))
    axes.remove(named[0])
  by_text, used = {}, set()
  for arm in ex.arms or (('',),):
    for point in itertools.product(*axes):
      member = member_of(ex, arm, point, axes)
      used |= set(member.changes)
      by_text.setdefault(str(rendered(member.ex)), member)
  for axis in axes:
    if not used & set(axis):
      override(ex, axis[0])  # or no arm has such an argument
      raise ConfigError(
        f'every arm has a {path_of(axis[0])} of its own, {axis[0]} changes '
        f'none: choose among the arms with --arms'
      )
  every = list(by_text.values())
  if 'critic_rate' in map(path_of, used) and not any(
    m.ex.critic for m in every
  ):
    raise ConfigError('critic_rate changes nothing: there is no critic')
  return distinct(every)


def member_of(ex: Experiment, arm, point, axes) -> Member:
  """The member of this arm at this point of the lists."""
  name = arm[0]
  ex, keeps = of_arm(ex, arm[1:])
  taken = [
    change
    for change in point
    if not keeps(full(path_of(change))) and not (name and lacks(ex, change))
  ]
  for change in taken:
    ex = override(ex, change)
  several = [change for axis in axes if len(axis) > 1 for change in axis]
  marks = [change for change in taken if change in several]
  label = [m for m in marks if path_of(m) != 'seed']
  parts = [name] if name else []
  return Member(
    name=in_file_name('_'.join(parts + marks)),
    ex=ex,
    changes=[f'arms={part}' for part in parts] + taken,
    arm=name,
    label=', '.join(parts + label),
  )


def of_arm(ex: Experiment, own: tuple):
  """(the experiment of an arm that is `own`, whether a path is its own and not
  to be overridden): another experiment on the data of ex, or ex changed."""
  if own and isinstance(own[0], Experiment):
    [other] = own
    said = {
      name
      for name, field in fields().items()
      if fixed(name) and getattr(other, name) != field.default
    }
    shared = {} if 'dataset' in said else {'dataset': ex.dataset}
    other = dataclasses.replace(other, arms=(), report=ex.report, **shared)
    return other, lambda path: path.partition('.')[0] in said
  ex = dataclasses.replace(ex, arms=())
  for change in own:
    ex = override(ex, change)
  kept = {full(p) for p in map(path_of, own) if fixed(p)}
  return ex, kept.__contains__


def lacks(ex: Experiment, change: str) -> bool:
  """Whether this is the number of an argument that ex has not."""
  path = path_of(change)
  return path in SHORT and not has(ex, SHORT[path])


def lists(changes: list[str]) -> dict[str, list[str]]:
  """Path -> its assignments, one for each value; the last one given counts."""
  by_path = {}
  for change in changes:
    path, equals, text = (part.strip() for part in change.partition('='))
    by_path.pop(full(path), None)
    values = split(path, text) if equals else [text]
    by_path[full(path)] = [f'{path}{equals}{value.strip()}' for value in values]
  return by_path


def split(path: str, text: str) -> list[str]:
  """The values of a list: 'a,b' of a plain field, 'a|b' of any other."""
  if path not in {'arms', *SHORT, *(f.name for f in plain_fields())}:
    return text.split('|')
  return [text] if is_path(path, text) else text.split(',')


def is_path(path: str, text: str) -> bool:
  """Whether this is a dataset of the user's own: commas belong to it."""
  return path == 'dataset' and text.startswith(('folder:', 'npz:'))


def fixed(path: str) -> bool:
  """Whether a path makes a run what it is, unlike how long it trains."""
  field = fields().get(path)
  return field is None or field.metadata['identity']


def full(path: str) -> str:
  """'objective.beta' of 'beta'."""
  return SHORT.get(path, path)


def path_of(change: str) -> str:
  """'network.widths' of 'network.widths=(8,)'."""
  return change.partition('=')[0].strip()


def value_of(change: str) -> str:
  """'(8,)' of 'network.widths=(8,)'."""
  return change.partition('=')[2].strip()


def in_file_name(text: str) -> str:
  """The text as part of a file's or a directory's name."""
  return re.sub(r'[^\w.=+-]+', '_', text).strip('_')[:100]


def distinct(members: list[Member]) -> list[Member]:
  """The members, a number added to names that are there already."""
  taken, named = set(), []
  for member in members:
    name, count = member.name, 1
    while name in taken:
      count += 1
      name = f'{member.name}_{count}'
    taken.add(name)
    named.append(member._replace(name=name))
  return named

"""What a field of an experiment is declared as: a number, word or function."""

import dataclasses
import functools


class ConfigError(ValueError):
  """A field, type or value that cannot be; one line that says what can."""

  def __init__(self, line: str):
    # What was given is in it, and may have several.
    super().__init__(' '.join(line.splitlines()))


def plain(default, text, identity=True, low=None, high=None):
  """A number from low to high, or a word: it gets a flag of its own."""
  facts = {'help': text, 'identity': identity, 'low': low, 'high': high}
  facts['model'] = True
  return dataclasses.field(default=default, metadata=facts)


def function(default, text, takes, identity=True, model=False):
  """A function, called with the arguments that `takes` names; `model` if what
  was trained cannot be used without it."""
  facts = {'help': text, 'identity': identity, 'takes': tuple(takes.split())}
  facts['model'] = model
  return dataclasses.field(default=default, metadata=facts)


count = functools.partial(plain, low=1, high=2**31 - 1)
size = functools.partial(plain, low=1, high=2**20)
# Far inside float32: neither 0 nor infinite once they are on the device.
rate = functools.partial(plain, low=1e-12, high=1e12)

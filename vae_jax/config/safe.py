"""What a run that somebody else made may say of its model."""

import types

from vae_jax.config.declared import ConfigError
from vae_jax.config.experiment import Experiment, fields, types_of
from vae_jax.config.leaves import parts
from vae_jax.config.override import called, plain
from vae_jax.config.text import module_name, own_files, render


def checked(ex: Experiment) -> Experiment:
  """ex, if all that a trained model needs of it could be asked for on a command
  line; else ConfigError. A run's text may come from anywhere, and name any
  function of ours with any arguments."""
  for name, field in fields().items():
    value = getattr(ex, name)
    if not field.metadata['model']:
      continue
    if 'takes' not in field.metadata:
      said = value if isinstance(value, str) else repr(value)
      good = plain(field, said) == value
    elif value is None:
      good = types.NoneType in types_of(name)
    else:
      # The user's own functions need not say what they return.
      ours = module_name(parts(value)[0]) in {'optax', *own_files()}
      like = (field.default or value) if ours else None
      takes = field.metadata['takes']
      good = render(called(render(value), like, takes, name)) == render(value)
    if not good:
      raise ConfigError(f'{name} cannot be {render(value):.200}')
  return ex

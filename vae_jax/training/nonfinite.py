"""Where a step becomes what is not finite, operation by operation."""

import sysconfig
import traceback

import jax
import jax.numpy as jnp

from vae_jax import data
from vae_jax.config.experiment import Experiment
from vae_jax.training.step import State, step_gradients


def first_not_finite(ex: Experiment, batch: data.Batch, state: State) -> str:
  """A sentence on the first operation of the state's next step that gives NaN
  or infinity: what it is, and the line of code that asks for it."""
  at, size = int(state.step), ex.batch_size
  index_B = jnp.asarray(data.order(ex.seed, batch.size, at * size, size))
  hyper = ex.hyper()
  bound = ex.bound(ex.scheduled(hyper, state.step))
  try:
    with jax.debug_nans(True), jax.debug_infs(True):
      step_gradients(bound, batch, hyper, state, index_B, None)
  except FloatingPointError as error:
    said = str(error).splitlines()[0].rstrip('.')
    return f'Made again: {said}, at {place(error)}'
  return 'Made again operation by operation, all of that step is finite'


def place(error: BaseException) -> str:
  """'FILE:LINE: CODE' of the innermost line that is in no installed package."""
  packages = sysconfig.get_path('purelib')
  frames = [
    frame
    for frame in traceback.extract_tb(error.__traceback__)
    if not frame.filename.startswith(packages)
  ]
  last = frames[-1]
  return f'{last.filename}:{last.lineno}: {last.line}'

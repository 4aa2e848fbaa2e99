"""The train step, written once: a step, and K of them in a scan. No I/O.

An index of -1 means no step: a call of K steps can be the last of a run of any
length, and one compiled program serves the whole run.
"""

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import lax

from vae_jax.config.experiment import Experiment
from vae_jax.factors.hyper import Hyper
from vae_jax.training.pieces import gradients


@flax.struct.dataclass
class State:
  """All that changes while a run trains; what a checkpoint holds."""

  step: jax.Array  # int32: updates made
  refused: jax.Array  # int32: updates refused, since one was not finite
  params: dict
  opt_state: optax.OptState
  key: jax.Array  # constant; a step's key is fold_in(key, step)


def init(key, ex: Experiment, hyper: Hyper, data) -> State:
  """The state before the first step, a pure function of the key."""
  key_params, key_run = jax.random.split(key)
  key_view, key_init = jax.random.split(key_params)
  ex = ex.bound(hyper)
  example = ex.view(data.take(jnp.arange(1)), example_keys(key_view, 1))
  params = ex.model(data).init(key_init, example)
  zero = jnp.int32(0)
  return State(zero, zero, params, ex.optimizer().init(params), key_run)


def step(ex: Experiment, data, hyper: Hyper, state: State, index_b, axis=None):
  """One update on the examples at index_b [B/D]: (State, metrics).

  A loss or gradient that is not finite never reaches the parameters: its update
  and, but with `skip_nonfinite`, all later ones are refused and counted.
  """
  ex = ex.bound(ex.scheduled(hyper, state.step))
  grads, metrics = step_gradients(ex, data, hyper, state, index_b, axis)
  # Over one device XLA:CPU would copy every gradient: 4 % of an MLP step.
  if axis is not None and lax.axis_size(axis) > 1:
    grads, metrics = lax.pmean((grads, metrics), axis)
  return update(ex, state, grads, metrics, asked=index_b[0] >= 0)


def step_gradients(
  ex: Experiment, data, hyper: Hyper, state: State, index_b, axis
):
  """(gradients, metrics) of the state's next step on these examples of one
  device; `ex` has its numbers bound."""
  model = ex.model(data, axis).bind(hyper.z_mask)
  key_view, key_latent = jax.random.split(fold_in_step(state))
  key_B = example_keys(key_view, len(index_b), axis)
  example = ex.view(data.take(index_b), key_B)
  key_B = example_keys(key_latent, len(index_b), axis)
  return gradients(ex, model, state.params, example, key_B)


def update(ex: Experiment, state: State, grads, metrics, asked):
  """The state after these gradients, or the same one if they are refused."""
  finite = all_finite((grads, metrics['loss']))
  if not ex.skip_nonfinite:
    finite &= state.refused == 0
  taken = finite & asked

  def moved(params, opt_state):
    clipped = grads if ex.clip_norm is None else clip(grads, ex.clip_norm)
    updates, opt_state = ex.optimizer().update(clipped, opt_state, params)
    params = {
      side: apply(params[side], updates[side], rate(side, ex))
      for side in params
    }
    return params, opt_state

  params, opt_state = only_if(taken, moved, (state.params, state.opt_state))
  refused = (asked & ~finite).astype(jnp.int32)
  made = asked if ex.skip_nonfinite else taken
  state = state.replace(
    step=state.step + made.astype(jnp.int32),
    refused=state.refused + refused,
    params=params,
    opt_state=opt_state,
  )
  return state, metrics | {'refused': refused}


def only_if(taken, f, old):
  """f(*old) if taken, else old: a branch on CPU, a selection elsewhere."""

  def select(*old):
    return jax.tree.map(lambda a, b: jnp.where(taken, a, b), f(*old), old)

  def branch(*old):
    # 5 % of a whole MLP step less than to select; a GPU would wait for `taken`.
    return lax.cond(taken, f, lambda *old: old, *old)

  return lax.platform_dependent(*old, cpu=branch, default=select)


def clip(grads: dict, norm: float) -> dict:
  """The gradients, made smaller if their global norm is larger than this: those
  of the critic, another player, apart (Pascanu et al. 2013)."""
  critic = {side: g for side, g in grads.items() if side == 'critic'}
  others = {side: g for side, g in grads.items() if side != 'critic'}

  def clipped(tree):
    scale = jnp.minimum(1.0, norm / optax.tree.norm(tree))
    return jax.tree.map(lambda g: scale * g, tree)

  return clipped(others) | (clipped(critic) if critic else {})


def rate(side: str, ex: Experiment):
  """The learning rate of this part of the parameters."""
  return ex.critic_rate if side == 'critic' else ex.learning_rate


def apply(params, updates, learning_rate):
  """params - learning_rate * updates."""
  return jax.tree.map(lambda p, u: p - learning_rate * u, params, updates)


def all_finite(tree):
  """Whether every value of every array is finite: a boolean scalar."""
  leaves = [leaf_finite(leaf) for leaf in jax.tree.leaves(tree)]
  return jnp.stack(leaves).all()


def leaf_finite(x):
  """Whether every value of one array is finite: a boolean scalar."""

  def plain(x):
    return jnp.isfinite(x).all()

  def product(x):
    # 0 * inf and 0 * nan are nan. 6 % of a whole MLP step less than `plain`,
    # which writes the booleans of every gradient to memory.
    zeros = jnp.zeros(x.shape[-1], x.dtype)
    return plain(jnp.dot(x, zeros, precision='highest'))

  if x.ndim < 2:
    return plain(x)
  return lax.platform_dependent(x, cpu=product, default=plain)


def fold_in_step(state: State):
  """The key of the state's next step."""
  return jax.random.fold_in(state.key, state.step)


def example_keys(key, b: int, axis=None):
  """A key per example from its position in the GLOBAL batch: key_B [b].

  So results do not depend on the number of devices.
  """
  position = jnp.arange(b)
  if axis is not None:
    position = position + b * lax.axis_index(axis)
  return jax.vmap(jax.random.fold_in, (None, 0))(key, position)


def steps(
  ex: Experiment, data, hyper: Hyper, state: State, index_Kb, axis=None
):
  """K updates in one lax.scan: (State, metrics_K)."""

  def body(state: State, index_b):
    return step(ex, data, hyper, state, index_b, axis)

  return lax.scan(body, state, index_Kb, unroll=ex.unroll)

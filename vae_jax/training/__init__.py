"""The train step, and what it needs on devices and on disk.

pieces      gradients of a batch in pieces that stay in the cache
step        one update, K of them in a scan, and the state before the first
nonfinite   where a step becomes what is not finite, operation by operation
devices     which devices, how arrays lie on them, and the only pmap
feed        the examples of the next K steps, resident or streamed
checksums   states as named arrays, with records that betray a flipped bit
checkpoint  states on disk; the only importer of orbax
log         metrics.jsonl and TensorBoard
"""

from vae_jax.training.devices import over_devices, replicate, sharded
from vae_jax.training.nonfinite import first_not_finite
from vae_jax.training.step import State, init, step, steps

__all__ = [
  'State', 'first_not_finite', 'init', 'over_devices', 'replicate', 'sharded',
  'step', 'steps',
]  # fmt: skip

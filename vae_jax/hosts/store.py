"""The key-value store of jax.distributed, in which hosts say JSON.

The server is host 0's (see service): when its machine is gone, a call raises or
never returns.
"""

import json

PREFIX = 'vae_jax'
WAIT_MS = 10_000  # of one call; who waits for longer asks again


def client():
  """The client of the store, None where no process has joined others."""
  # jax has no public name for it; orbax uses it too.
  from jax._src import distributed

  return distributed.global_state.client


def members() -> tuple[int, int]:
  """(which process this is, of how many), without starting a device."""
  from jax._src import distributed

  state = distributed.global_state
  return (
    (0, 1)
    if state.client is None
    else (
      state.process_id,
      state.num_processes,
    )
  )


def close():
  """Lets the server end with host 0, on it: nobody else needs it any more."""
  from jax._src import distributed

  distributed.global_state.service.shutdown()


def put(key: str, value):
  """Says a value, JSON, in the place of what was said before."""
  text = json.dumps(value)
  client().key_value_set(f'{PREFIX}/{key}', text, allow_overwrite=True)


def below(key: str) -> dict:
  """Last part of a key -> value of all that has been said below it."""
  pairs = client().key_value_dir_get(f'{PREFIX}/{key}/')
  return {name.rpartition('/')[2]: json.loads(text) for name, text in pairs}


def wait_for(key: str):
  """The value of a key, as soon as somebody says it."""
  while True:
    try:
      text = client().blocking_key_value_get(f'{PREFIX}/{key}', WAIT_MS)
      return json.loads(text)
    except RuntimeError as error:  # jaxlib's own is one
      if 'DEADLINE_EXCEEDED' not in str(error):
        raise


def barrier(name: str):
  """Waits until every host has come here."""
  day_ms = 24 * 3600 * 1000
  client().wait_at_barrier(f'{PREFIX}/{name}', 7 * day_ms)

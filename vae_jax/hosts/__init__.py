"""Several processes that run one command, one for each host of a pod.

Every host does the same; host 0 alone reads and writes run directories, and
tells the others what it has read. What hosts say to each other goes through the
key-value store of jax.distributed, which needs no device; arrays of a device go
by collectives.

service   the server of the store, which outlives host 0
store     what all hosts read and write
watch     no host waits for a dead or stuck one
together  which host this is; what one tells, what all must agree on
joined    how a process becomes one of several, and how it leaves
"""

from vae_jax.hosts.joined import blamed, failed, finish, join
from vae_jax.hosts.together import (
  HostsError,
  agree,
  count,
  fetched,
  first,
  gathered,
  given,
  index,
  lies_in_parts,
  said_by_all,
  several,
  told,
)
from vae_jax.hosts.watch import at_end, mark

__all__ = [
  'HostsError', 'agree', 'at_end', 'blamed', 'count', 'failed', 'fetched',
  'finish', 'first', 'gathered', 'given', 'index', 'join', 'lies_in_parts',
  'mark', 'said_by_all', 'several', 'told',
]  # fmt: skip

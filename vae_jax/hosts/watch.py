"""No host waits for a dead or stuck one: a thread on every host says that it is
alive, and what it does; host 0 judges, and all end with one line.

jax alone ends the others of a dead process after its heartbeat, with pages of
its own, and never notices one that lives and is stuck.
"""

import contextlib
import os
import socket
import sys
import threading
import time

from vae_jax.hosts import store

PERIOD_S = 1.0  # between two signs of life
SILENT_S = 15.0  # a host of which nothing is heard for so long is gone
MISSED_S = 3.0  # a host that is waited for, and is silent, is gone sooner
UNSEEN = {'beat': 0, 'who': 'never seen', 'phase': 'start'}
# A phase of these may take the patience, or five times as long as it ever took;
# the first of them, and what is slow, ten times the patience. Another may take
# for ever, as host 0's drawing and the waiting for it.
QUICK = 'call', 'examples'
SLOW = 'start', 'data', 'compile', 'restore', 'evaluate', 'save'
MORE, AGAIN = 10.0, 5.0


class Now:
  """What this host does, by its main thread's word."""

  sequence, phase, since = 0, 'start', time.monotonic()
  longest_s, thread, last = 0.0, None, None


def together():
  """Counts what all hosts do alike: who has done fewer is behind."""
  Now.sequence += 1


def at_end(action):
  """What is still to be done here if the watch ends this process; None: no
  more."""
  Now.last = action


def mark(phase: str):
  """Says what the main thread does from here on: 'compile', or, what all hosts
  do alike, 'call' or 'examples'."""
  if not Now.thread:
    return
  now = time.monotonic()
  if Now.phase in QUICK:
    Now.longest_s = max(Now.longest_s, now - Now.since)
  if phase in QUICK:
    together()
  elif phase == 'compile':  # of another program, perhaps
    Now.longest_s = 0.0
  Now.phase, Now.since = phase, now


def limit_s(phase: str, patience: float) -> float | None:
  """Seconds that a phase of this host may take, None: for ever."""
  if phase in QUICK and Now.longest_s:
    return max(patience, AGAIN * Now.longest_s)
  return MORE * patience if phase in QUICK + SLOW else None


class Watch(threading.Thread):
  """The thread. `end` is called with the line when all must end."""

  def __init__(self, index: int, count: int, patience: float, end):
    super().__init__(daemon=True, name='watch')
    self.index, self.count, self.patience = index, count, patience
    self.end, self.beat, self.over = end, 0, False
    self.line = None  # why this host itself has failed
    self.heard = dict.fromkeys(map(str, range(count)), (0, time.monotonic()))
    self.reached = time.monotonic()  # when the store last answered
    self.saying = threading.Lock()

  def start(self):
    """Starts it, and the guard that notices when the store does not answer."""
    super().start()
    threading.Thread(target=self.guard, daemon=True, name='guard').start()

  def run(self):
    """Says and hears every PERIOD_S, until there is a verdict."""
    failures, before = 0, time.monotonic()
    while not self.over:
      try:
        self.say()
        verdict = store.below('verdict').get('line')
        if self.index == 0:
          verdict = verdict or self.judge(store.below('beat'))
          store.put('first/0', self.beat)
        else:
          verdict = verdict or self.heard_of_first(store.below('first'))
        if verdict:
          store.put('verdict/line', verdict)
        failures = 0
      except RuntimeError:  # jaxlib's own is one: the store is out of reach
        failures, verdict = failures + 1, None
        if failures > 2 and self.index:
          verdict = 'host 0 is gone, and its machine'
      now = self.reached = time.monotonic()
      if now - before > SILENT_S / 2:  # this process itself was stopped
        self.heard = {k: (beat, now) for k, (beat, _) in self.heard.items()}
        verdict = None
      before = now
      if verdict and not self.over:
        self.end(verdict)
        return
      time.sleep(PERIOD_S)

  def guard(self):
    """Ends this host when its thread waits in vain for host 0's store."""
    before = time.monotonic()
    while not self.over:
      time.sleep(PERIOD_S)
      now = time.monotonic()
      if now - before > SILENT_S / 2:  # this process itself was stopped
        self.reached = now
      before = now
      if self.index and now - self.reached > 2 * SILENT_S:
        self.end('host 0 does not answer, nor its machine')
        return

  def say(self):
    """Says that this host is alive, and what it does, or why it has failed:
    nothing after that."""
    with self.saying:
      if not self.over or self.line:
        self._say()

  def _say(self):
    self.beat += 1
    store.put(
      f'beat/{self.index}',
      {
        'beat': self.beat,
        'sequence': Now.sequence,
        'phase': Now.phase,
        'for_s': time.monotonic() - Now.since,
        'limit_s': limit_s(Now.phase, self.patience),
        'line': self.line,
        'who': f'{socket.gethostname()}, process {os.getpid()}',
      },
    )

  def heard_of_first(self, beats: dict) -> str | None:
    """Why all must end if host 0, who judges, does not say that it lives."""
    now, (beat, at) = time.monotonic(), self.heard['0']
    new = beats.get('0', 0)
    self.heard['0'] = (new, now) if new != beat else (beat, at)
    seconds = now - self.heard['0'][1]
    if seconds <= SILENT_S:
      return None
    return gone('0', store.below('beat').get('0', UNSEEN), seconds)

  def judge(self, beats: dict) -> str | None:
    """Why all must end, None while they need not."""
    now = time.monotonic()
    for name, (beat, at) in self.heard.items():
      new = beats.get(name, UNSEEN)['beat']
      self.heard[name] = (new, now) if new != beat else (beat, at)
    for name, one in beats.items():
      if one['line']:
        return f'host {name}: {one["line"]}'
    silent = {name: now - at for name, (_, at) in self.heard.items()}
    for name, seconds in silent.items():
      if seconds > SILENT_S:
        return gone(name, beats.get(name, UNSEEN), seconds)
    if not any(map(late, beats.values())):
      return None
    least = min(one['sequence'] for one in beats.values())
    behind = {k: v for k, v in beats.items() if v['sequence'] == least}
    for name, one in behind.items():
      if silent[name] > MISSED_S:
        return gone(name, one, silent[name])
    return stuck(behind)


def late(one: dict) -> bool:
  """Whether a host's phase takes longer than it may."""
  return one['limit_s'] is not None and one['for_s'] > one['limit_s']


def gone(name: str, one: dict, seconds: float) -> str:
  """The line on a host of which nothing is heard."""
  return (
    f'host {name} ({one["who"]}) is gone: nothing heard for {seconds:.0f} s, '
    f'it was at: {one["phase"]}'
  )


def stuck(behind: dict) -> str:
  """The line on hosts that live, and do not come to where the others are."""
  one = next(iter(behind.values()))
  names = f'host{"s" * (len(behind) > 1)} {", ".join(behind)}'
  return (
    f'{names} ({one["who"]}) stuck for {one["for_s"]:.0f} s at: {one["phase"]}'
  )


def end_here(line: str, linger_s: float = 0.0, then=None):
  """Ends this process with one line; host 0 stays until others have read it,
  and does what is to be done `then`."""
  print(f'error: {line}', file=sys.stderr, flush=True)
  if Now.last:
    with contextlib.suppress(Exception):
      Now.last()
  time.sleep(linger_s)
  if then:
    with contextlib.suppress(Exception):
      then()
  os._exit(1)

import pytest

from vae_jax.hosts import joined, watch


@pytest.fixture
def clock(monkeypatch):
  """A clock that stands still until it is set."""

  class Clock:
    now = 100.0

    def monotonic(self):
      return self.now

    def sleep(self, seconds):
      self.now += seconds

  clock = Clock()
  monkeypatch.setattr(watch, 'time', clock)
  return clock


def beat(n, phase='call', seconds=0.0, sequence=5, line=None):
  limit_s = {'call': 60, 'examples': 60, 'data': 600, 'compile': 600}
  return {
    'beat': n, 'phase': phase, 'for_s': seconds, 'sequence': sequence,
    'limit_s': limit_s.get(phase), 'line': line, 'who': 'here',
  }  # fmt: skip


@pytest.fixture
def judge(clock):
  """A function (beats of host 0, of host 1, ...) -> the verdict, a second after
  the one before."""
  first = watch.Watch(0, 2, 60.0, None)

  def judge(*beats):
    clock.now += 1
    return first.judge({str(i): one for i, one in enumerate(beats)})

  return judge


def test_hosts_that_live_are_left_alone(judge):
  for n in range(100):
    assert judge(beat(n), beat(n, seconds=59.0)) is None
    assert judge(beat(n, 'draw', 1e6), beat(n, 'after train', 1e6)) is None
    assert judge(beat(n, 'compile', 599.0), beat(n, 'data', 599.0)) is None


def test_a_host_that_is_not_heard_of_is_gone(judge):
  verdicts = [judge(beat(n), beat(7, 'data')) for n in range(30)]
  assert verdicts[:15] == [None] * 15
  assert verdicts[-1].startswith('host 1 (here) is gone: nothing heard for ')
  assert verdicts[-1].endswith('it was at: data')


def test_a_host_that_never_came_is_named(judge):
  verdicts = [judge(beat(n)) for n in range(30)]
  assert verdicts[-1].startswith('host 1 (never seen) is gone')


def test_what_a_host_says_of_its_own_end_is_told(judge):
  assert judge(beat(1), beat(1, line='no disk')) == 'host 1: no disk'


@pytest.mark.parametrize(
  ('phase', 'limit'), [('call', 60), ('examples', 60), ('data', 600)]
)
def test_a_host_that_is_behind_is_stuck(phase, limit, judge):
  one, other = beat(1, 'after data', 1e3, 6), beat(1, phase, limit - 1.0)
  assert judge(one, other) is None
  line = judge(beat(2, 'call', 3.0, 6), beat(2, phase, limit + 1.0))
  assert line == f'host 1 (here) stuck for {limit + 1} s at: {phase}'


def test_not_who_waits_is_stuck_but_who_is_behind(judge):
  late = beat(1, 'call', 61.0, 6)
  line = judge(late, beat(1, 'draw', 50.0, 5))
  assert line == 'host 1 (here) stuck for 50 s at: draw'
  line = judge(beat(2, 'call', 61.0), beat(2, 'call', 61.0))
  assert line == 'hosts 0, 1 (here) stuck for 61 s at: call'


def test_a_silent_host_that_is_waited_for_is_gone_sooner(judge):
  for n in range(6):
    line = judge(beat(n, 'call', 56.0 + n, 6), beat(1, 'examples', 1.0, 5))
    if line:
      break
  assert n == 5 and line.startswith(
    'host 1 (here) is gone: nothing heard for 5'
  )


def test_others_judge_host_0(clock, monkeypatch):
  other = watch.Watch(1, 2, 60.0, None)
  monkeypatch.setattr(watch.store, 'below', lambda key: {'0': beat(3, 'save')})
  verdicts = []
  for _ in range(20):
    clock.now += 1
    verdicts.append(other.heard_of_first({'0': 3}))
  assert verdicts[:15] == [None] * 15
  assert verdicts[-1].startswith('host 0 (here) is gone: nothing heard for ')


def test_a_verdict_ends_a_host_and_is_told_to_the_others(clock, monkeypatch):
  said, ends = {}, []
  monkeypatch.setattr(watch.store, 'put', said.__setitem__)
  monkeypatch.setattr(
    watch.store,
    'below',
    lambda key: {'line': 'host 1: no disk'} if key == 'verdict' else {},
  )
  watch.Watch(1, 2, 60.0, ends.append).run()
  assert ends == ['host 1: no disk']
  assert said['verdict/line'] == 'host 1: no disk'
  assert said['beat/1']['beat'] == 1


def test_without_the_store_a_host_ends_by_itself(clock, monkeypatch):
  def gone(*_):
    raise RuntimeError('UNAVAILABLE')

  monkeypatch.setattr(watch.store, 'put', gone)
  ends = []
  watch.Watch(1, 2, 60.0, ends.append).run()
  assert ends == ['host 0 is gone, and its machine']


def test_a_call_may_take_longer_where_calls_are_long(clock, monkeypatch):
  for name, value in vars(watch.Now).items():
    if not name.startswith('__'):
      monkeypatch.setattr(watch.Now, name, value)
  watch.Now.thread, watch.Now.longest_s = object(), 0.0
  limit = watch.limit_s
  assert limit('draw', 60.0) is None and limit('after data', 60.0) is None
  assert limit('data', 60.0) == limit('call', 60.0) == 600
  watch.mark('call')
  clock.now += 4
  watch.mark('examples')
  assert limit('call', 60.0) == limit('examples', 60.0) == 60
  watch.mark('call')
  clock.now += 30
  watch.mark('evaluate')
  clock.now += 500
  watch.mark('call')
  assert limit('call', 60.0) == 150 and limit('data', 60.0) == 600


def test_what_all_do_alike_is_counted(monkeypatch):
  monkeypatch.setattr(watch.Now, 'thread', None)
  for name in ('sequence', 'phase', 'since', 'longest_s'):
    monkeypatch.setattr(watch.Now, name, getattr(watch.Now, name))
  watch.Now.sequence, watch.Now.phase = 3, 'start'
  watch.mark('call')
  assert (watch.Now.sequence, watch.Now.phase) == (3, 'start')  # one process
  watch.Now.thread = object()
  watch.mark('draw')  # of host 0 alone
  assert (watch.Now.sequence, watch.Now.phase) == (3, 'draw')
  watch.mark('examples')
  watch.mark('call')
  assert (watch.Now.sequence, watch.Now.phase) == (5, 'call')


def test_another_program_has_limits_of_its_own(clock, monkeypatch):
  for name in ('sequence', 'phase', 'since', 'longest_s', 'thread'):
    monkeypatch.setattr(watch.Now, name, getattr(watch.Now, name))
  watch.Now.thread, watch.Now.longest_s = object(), 1.0
  assert watch.limit_s('call', 60.0) == 60
  watch.mark('compile')
  assert watch.limit_s('call', 60.0) == 600


def test_a_host_that_was_stopped_itself_judges_nobody(clock, monkeypatch):
  first = watch.Watch(0, 2, 60.0, None)
  beats = {'0': beat(1), '1': beat(1)}
  monkeypatch.setattr(watch.store, 'put', lambda *_: None)
  monkeypatch.setattr(
    watch.store, 'below', lambda key: beats if key == 'beat' else {}
  )
  left, sleep = [3], clock.sleep

  def slept(seconds):
    left[0] -= 1
    sleep(1000.0 if left[0] == 1 else seconds)  # SIGSTOP, and on
    first.over = not left[0]

  monkeypatch.setattr(clock, 'sleep', slept)
  first.end = lambda line: pytest.fail(line)
  first.run()


def test_the_guard_ends_a_host_whose_store_never_answers(clock):
  ends = []
  other = watch.Watch(1, 2, 60.0, None)
  other.end = ends.append
  other.guard()
  assert ends == ['host 0 does not answer, nor its machine']


def test_a_failed_host_says_why_and_nothing_after_that(monkeypatch):
  said = []
  monkeypatch.setattr(watch.store, 'put', lambda key, value: said.append(value))
  own = watch.Watch(1, 2, 60.0, None)
  own.say()
  monkeypatch.setattr(joined.watch.Now, 'thread', own)
  monkeypatch.setattr(joined.together, 'first', lambda: False)
  joined.failed('no disk')
  own.run()
  assert [one['line'] for one in said] == [None, 'no disk']


def test_what_is_still_to_be_done_is_done_before_the_end(monkeypatch, capsys):
  done = []
  monkeypatch.setattr(watch.os, '_exit', done.append)
  monkeypatch.setattr(watch.Now, 'last', lambda: done.append('brought'))
  watch.end_here('host 1 is gone', then=lambda: done.append('closed'))
  assert done == ['brought', 'closed', 1]
  assert capsys.readouterr().err == 'error: host 1 is gone\n'

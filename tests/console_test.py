import io
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import console


class Terminal(io.StringIO):
  def isatty(self):
    return True


@pytest.fixture
def put(monkeypatch):
  """A function that puts a stream in the place of stderr: pytest puts its own
  there between a fixture and the test."""

  def put(stream):
    monkeypatch.setattr(sys, 'stderr', stream)
    for made_once in (console._console, console._bars):
      made_once.cache_clear()  # it knows what stderr was
    return stream

  monkeypatch.setenv('TERM', 'xterm')
  monkeypatch.setenv('COLUMNS', '79')
  yield put
  console._console.cache_clear()
  console._bars.cache_clear()


class Clock:
  """A clock that the test moves."""

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now


def drawn(terminal):
  """What the terminal shows, line by line as it was written, without codes."""
  from rich.text import Text

  return Text.from_ansi(terminal.getvalue()).plain


def test_a_bar_on_a_terminal_shows_loss_rate_and_eta_on_one_line(put):
  terminal = put(Terminal())
  bar = console.Bar(1000)
  bar.update(250, loss=87.1, steps_per_s=5.0)
  line = drawn(terminal).splitlines()[-1]
  assert line.startswith('━')
  assert '250/1000  loss 87.10  5.000 steps/s  ETA 02:30' in line
  assert len(line) <= 79
  bar.close()


def test_a_terminal_is_drawn_four_times_a_second_and_at_the_end(put):
  terminal = put(Terminal())
  clock, written = Clock(), []
  bar = console.Bar(1000, clock=clock)
  for step in range(1, 1001):
    clock.now += 0.001
    before = terminal.tell()
    bar.update(step, loss=1.0)
    written.append(terminal.tell() > before)
  bar.close()
  assert 4 <= sum(written) <= 6
  assert written[-1]
  assert '1000/1000' in drawn(terminal)


def test_several_bars_stand_below_each_other_until_they_are_closed(put):
  terminal = put(Terminal())
  outer, inner = console.Bar(4), console.Bar(100)
  outer.update(1)
  inner.update(100, loss=0.5)
  lines = drawn(terminal).splitlines()
  assert '1/4' in lines[-2] and '100/100  loss 0.5' in lines[-1]
  inner.close()
  outer.update(4)
  lines = drawn(terminal).splitlines()
  assert '4/4' in lines[-1] and '100/100' not in lines[-1]
  outer.close()


def test_the_rate_is_measured_from_where_a_resumed_run_began(put):
  stream = put(io.StringIO())
  clock = Clock()
  bar = console.Bar(1000, start=900, clock=clock)
  clock.now += 10
  bar.update(950)
  assert '5.000 steps/s  ETA 00:10' in stream.getvalue()


@pytest.mark.parametrize(
  'steps, rate, wanted',
  [(0, 3.0, '00:00'), (7322, 1.0, '2:02:02'), (5, 0.0, '--:--')],
)
def test_eta_counts_hours_and_says_when_it_cannot_know(steps, rate, wanted):
  assert console.eta(steps, rate) == wanted


def test_in_a_log_file_each_tenth_is_a_plain_line_without_a_bar(put):
  stream = put(io.StringIO())
  bar = console.Bar(100, clock=Clock())
  for step in range(1, 101):
    bar.update(step, loss=0.5)
  bar.close()
  lines = stream.getvalue().splitlines()
  assert '\r' not in stream.getvalue() and '\x1b' not in stream.getvalue()
  assert '━' not in stream.getvalue() and '#' not in stream.getvalue()
  assert 10 <= len(lines) <= 12
  assert '100/100' in lines[-1] and 'loss 0.5000' in lines[-1]


def test_a_slow_run_still_says_something_every_ten_seconds(put):
  stream = put(io.StringIO())
  clock = Clock()
  bar = console.Bar(10**6, clock=clock)
  for step in range(1, 61):
    clock.now += 1
    bar.update(step)
  assert len(stream.getvalue().splitlines()) == 6


def test_a_message_stands_above_the_bar(put):
  terminal = put(Terminal())
  bar = console.Bar(10)
  bar.update(1, loss=1.0)
  console.say('saved')
  lines = drawn(terminal).splitlines()
  assert 'saved' in lines[-2] and '1/10' in lines[-1]
  bar.close()


def test_a_message_is_said_as_it_is_and_never_wrapped(put):
  stream = put(io.StringIO())
  line = 'step 3: [loss] :smile: ' + 100 * 'x'
  console.say(line)
  assert stream.getvalue() == line + '\n'


def test_a_table_aligns_numbers_right_and_words_left():
  rows = [('denoise', 20.5, 7), ('vae', None, 12345), ('ae', 100.25, 1)]
  lines = console.table(rows, ('run', 'psnr_db', 'steps')).split('\n')
  assert lines == [
    'run       psnr_db   steps',
    '-------------------------',
    'denoise     20.50       7',
    'vae             -   12345',
    'ae          100.2       1',
  ]


def test_a_table_without_rows_is_its_header():
  assert console.table([], ('a', 'b')) == 'a   b\n-----'


def test_a_table_in_a_log_file_is_as_wide_as_it_is():
  wide = console.table([('x' * 60, 'y' * 60)], ('a', 'b'))
  assert 'x' * 60 + '   ' + 'y' * 60 in wide


@pytest.mark.parametrize(
  'value, text',
  [
    (87.1, '87.10'),
    (0.00321449, '0.003214'),
    (999.96, '1000'),
    (12345.6, '12346'),
    (1.5e9, '1.5e+09'),
    (1e-7, '1e-07'),
    (0.0, '0'),
    (-0.25, '-0.2500'),
    (float('nan'), 'nan'),
    (np.float32('nan'), 'nan'),
    (np.float32(2.5), '2.500'),
    (jnp.int32(3), '3'),
  ],
)
def test_a_number_has_four_significant_digits(value, text):
  assert console.number(value) == text


@pytest.mark.parametrize(
  'count, text', [(12_345_678, '12.3 MB'), (2e9, '2 GB'), (345, '0.345 kB')]
)
def test_bytes_are_said_in_a_unit_of_their_size(count, text):
  assert console.in_bytes(count) == text


def test_names_and_numbers_are_said_as_words():
  assert console.words('mean_image') == 'mean image'
  assert console.words('pca') == 'PCA'
  assert [console.counted(n, 'run') for n in (1, 2)] == ['1 run', '2 runs']
  assert console.listed(['a', 'b', 'c']) == 'a, b or c'
  assert console.listed(['a']) == 'a'


def test_the_nearest_known_name_is_offered():
  known = ['latents', 'beta', 'learning_rate']
  assert console.nearest('latent', known) == " (did you mean 'latents'?)"
  assert console.nearest('latent', known, '--') == (
    " (did you mean '--latents'?)"
  )


def test_nothing_is_offered_where_nothing_is_near():
  assert console.nearest('zzz', ['latents']) == ''
  assert console.nearest('latents', []) == ''


def test_importing_it_waits_for_nothing():
  code = """
import sys
from vae_jax import console
assert not {'rich', 'jax', 'numpy'} & set(sys.modules)
"""
  root = Path(__file__).parents[1]
  subprocess.run([sys.executable, '-c', code], cwd=root, check=True)


class Full(io.StringIO):
  """A stream on a full disk, or into a pipe that nobody reads."""

  def __init__(self, error=None):
    super().__init__()
    self.error = error or OSError(28, 'No space left on device')
    self.times = 0

  def write(self, text):
    self.times += 1
    raise self.error

  flush = write


def test_what_shows_progress_never_stops_what_it_shows(put):
  full = Full()
  put(console.Unfailing(full))
  console.say('a line')
  bar = console.Bar(100)
  bar.update(100, loss=1.0)
  bar.close()
  assert full.times == 1  # then it is not asked again
  assert not sys.stderr.isatty()


def test_an_unfailing_stream_is_the_stream_as_long_as_it_works():
  stream = io.StringIO()
  assert console.Unfailing(stream).write('ab') == 2
  assert stream.getvalue() == 'ab'


def test_results_that_cannot_be_written_are_an_error_that_says_where(
  monkeypatch,
):
  monkeypatch.setattr(sys, 'stdout', Full())
  with pytest.raises(OSError) as error:
    console.show('a table')
  assert error.value.filename == 'standard output'
  monkeypatch.setattr(sys, 'stdout', Full(BrokenPipeError()))
  with pytest.raises(console.Lost):
    console.show('a table')


GUARDED = """
import os, sys
from vae_jax import console
console.guard()
assert os.open('/dev/zero', os.O_RDONLY) > 2
console.say(chr(0x2212))
console.show(chr(0x2212))
console.leave(3)
"""


@pytest.mark.parametrize('closed', ['', '1', '2', '0', '0 1 2'])
def test_closed_streams_are_opened_as_nothing(closed):
  closing = ' '.join(f'{number}>&-' for number in closed.split())
  command = f'{sys.executable} -c "$0" {closing}'
  found = subprocess.run(
    ['sh', '-c', command, GUARDED],
    capture_output=True,
    env={'PYTHONUTF8': '0', 'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0'},
    cwd=Path(__file__).parent.parent,
  )
  assert found.returncode == 3
  text = b'\\u2212\n'
  wanted = [b'' if number in closed else text for number in '12']
  assert [found.stdout, found.stderr] == wanted

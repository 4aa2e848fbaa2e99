import gc
import os
import signal
import threading
import time

import pytest

from vae_jax import signals


@pytest.fixture(autouse=True)
def caught():
  with signals.remembered():
    yield


def send(number):
  os.kill(os.getpid(), number)


@pytest.mark.parametrize('name', signals.NAMES)
def test_a_signal_stops_at_once_where_nothing_is_lost(name):
  number = getattr(signal, name)
  with pytest.raises(signals.Stop) as stop:
    send(number)
    time.sleep(5)
  assert (stop.value.signal, str(stop.value)) == (number, name)
  assert signals.caught() == number


def test_a_held_signal_stops_at_the_end_of_the_block():
  done = []
  with pytest.raises(signals.Stop):
    with signals.held():
      with signals.held():
        send(signal.SIGTERM)
        done.append(signals.caught())
      done.append('outer')
  assert done == [signal.SIGTERM, 'outer']
  with pytest.raises(signals.Stop), signals.held():
    done.append('never begun')
  assert 'never begun' not in done


def test_an_error_of_a_held_block_is_not_hidden_by_a_signal():
  with pytest.raises(ZeroDivisionError), signals.held():
    send(signal.SIGTERM)
    1 / 0  # noqa: B018


def test_a_second_signal_changes_nothing():
  with pytest.raises(signals.Stop):
    send(signal.SIGTERM)
  send(signal.SIGTERM)
  send(signal.SIGINT)  # within a second: a group and a process are told both
  assert signals.caught() == signal.SIGTERM


def test_a_signal_in_a_callback_of_garbage_collection_stops_later():
  sent = []

  def callback(phase, info):
    if not sent:
      sent.append(phase)
      send(signal.SIGTERM)

  gc.callbacks.append(callback)
  try:
    with pytest.raises(signals.Stop):
      gc.collect()
      time.sleep(5)
  finally:
    gc.callbacks.remove(callback)
  assert sent


def test_what_was_ignored_stays_ignored():
  # As below nohup.
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(signals._Remembered, 'catching', False)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals.remembered():
      send(signal.SIGHUP)
      assert signals.caught() is None
    signal.signal(signal.SIGHUP, before)


def test_at_the_end_nothing_stops_it():
  signals.ignore()
  send(signal.SIGTERM)
  assert signals.caught() is None


def test_in_a_thread_nothing_is_taken_over():
  found = []

  def run():
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(signals._Remembered, 'catching', False)
      with signals.remembered():
        found.append(signals._Remembered.catching)

  thread = threading.Thread(target=run)
  thread.start()
  thread.join()
  assert found == [False]


def test_a_signal_does_not_stop_what_a_command_must_do_at_its_end(monkeypatch):
  done = []
  with signals.remembered():
    with pytest.raises(signals.Stop):
      try:
        os.kill(os.getpid(), signal.SIGTERM)
      finally:
        with signals.finishing():
          os.kill(os.getpid(), signal.SIGTERM)
          done.append('brought')
  assert done == ['brought']

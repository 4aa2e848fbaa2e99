import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vae_jax.music import Note
from vae_jax.music.classes import (
  BITS,
  DRUMS,
  HOLD,
  KINDS,
  LOWEST,
  OFF,
  PITCHED,
  drum_notes,
  drums,
  melody,
  melody_notes,
  shifted,
)


@given(st.lists(st.integers(0, PITCHED - 1), min_size=1, max_size=40))
def test_notes_of_a_melody_say_its_classes_again(classes):
  """But for an end of nothing, which is nothing."""
  sounding, wanted = False, []
  for value in classes:
    wanted.append(HOLD if value == OFF and not sounding else value)
    sounding = value > OFF or (sounding and value == HOLD)
  found = melody(melody_notes(classes), len(classes))
  np.testing.assert_array_equal(found, wanted)


@given(st.lists(st.integers(0, DRUMS - 1), min_size=1, max_size=40))
def test_hits_of_drums_say_their_classes_again(classes):
  found = drums(drum_notes(classes), len(classes))
  np.testing.assert_array_equal(found, classes)


def test_a_melody_is_the_highest_note_that_begins_until_the_next_one():
  notes = [Note(0, 8, 60), Note(0, 2, 64), Note(4, 6, 62), Note(5, 9, 50)]
  found = melody(notes, 10)
  wanted = [64, 0, 'off', 0, 62, 50, 0, 0, 0, 'off']
  classes = [
    OFF if w == 'off' else w - LOWEST + 2 if w else HOLD for w in wanted
  ]
  np.testing.assert_array_equal(found, classes)
  assert melody([], 3).tolist() == [HOLD] * 3
  # What cannot be said is left out: other pitches, other steps.
  assert melody([Note(0, 1, 20), Note(5, 6, 60)], 3).tolist() == [HOLD] * 3


def test_kinds_of_drums_share_no_pitch_and_know_those_of_general_midi():
  pitches = [p for own in KINDS.values() for p in own]
  assert len(set(pitches)) == len(pitches)
  assert set(range(35, 60)) <= set(pitches) | {56, 54, 58}
  both = [Note(0, 1, 36), Note(0, 1, 42), Note(1, 2, 35), Note(1, 2, 3)]
  assert drums(both, 2).tolist() == [0b101, 0b1]


def test_bits_say_which_drums_are_hit_or_that_none_is():
  assert BITS.shape == (DRUMS, 10)
  np.testing.assert_array_equal(BITS[:, :9] @ 2 ** np.arange(9), range(DRUMS))
  np.testing.assert_array_equal(BITS[:, 9], np.arange(DRUMS) == 0)


def test_notes_are_cut_where_they_begin():
  notes = [
    Note(0, 20, 60),
    Note(16, 18, 62),
    Note(31, 40, 64),
    Note(32, 33, 65),
  ]
  assert shifted(notes, 16, 16) == [Note(0, 2, 62), Note(15, 24, 64)]

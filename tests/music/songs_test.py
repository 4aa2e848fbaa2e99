from vae_jax.music import BAR, Note, Song, Track, in_a_row


def test_songs_in_a_row_keep_their_notes_and_rest_between():
  one = Song(
    (Track((Note(0, 4, 60),), 5), Track((Note(1, 2, 36),), 0, True)), 2
  )
  two = Song((Track((Note(3, 5, 62),), 9),), 1, tempo=90.0)
  whole = in_a_row([one, two])
  assert whole.bars == 4 and whole.steps == 4 * BAR and whole.tempo == 120.0
  lead, drums = whole.tracks
  assert lead.notes == (Note(0, 4, 60), Note(3 * BAR + 3, 3 * BAR + 5, 62))
  assert lead.program == 5 and drums.drums and len(drums.notes) == 1
  assert in_a_row([]) == Song((), 0)

"""Music as values: notes on a grid of sixteenths, classes, files, sound.

songs     Note, Track, Song: what every source gives and every writer takes
classes   notes of a track as class numbers, a step each, and back
harmony   keys, chords and cells of rhythm
composer  embedded songs, made by rules from a seed
midi      MIDI files and bytes to songs and back, by symusic
reader    many files of a user's, each within bounds, in a worker process
synth     songs as sound
"""

from vae_jax.music.songs import BAR, BEAT, Note, Song, Track, in_a_row

__all__ = ['BAR', 'BEAT', 'Note', 'Song', 'Track', 'in_a_row']

"""The user's own files as datasets.

images  folder:PATH, PNG and JPEG images
npz     npz:PATH, arrays
scores  midi:PATH, MIDI files, and chorales:PATH, JSON
"""

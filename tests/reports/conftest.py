import dataclasses

import pytest

from vae_jax.measures.trained import Run


@pytest.fixture
def run(tiny):
  """A function (arm, results, studies, ...) -> a run of which this is known;
  other words are fields of its experiment."""

  def run(arm='', results=None, studies=None, **known):
    names = {field.name for field in dataclasses.fields(tiny)} & known.keys()
    ex = dataclasses.replace(tiny, **{name: known.pop(name) for name in names})
    known = {'history': [], 'label': arm} | known
    return Run(ex, results or {}, studies or {}, arm=arm, **known)

  return run


@pytest.fixture
def texts():
  """A function: all that is written in a figure."""

  def texts(figure):
    artists = figure.findobj(lambda artist: hasattr(artist, 'get_text'))
    return ' | '.join(artist.get_text() for artist in artists)

  return texts


@pytest.fixture
def drawn():
  """A function (figure, panel) -> name of each line of a panel -> x -> y."""

  def drawn(figure, panel=0):
    return {
      line.get_label(): dict(zip(*line.get_data(), strict=True))
      for line in figure.axes[panel].lines
    }

  return drawn

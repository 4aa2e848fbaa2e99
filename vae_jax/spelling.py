"""What a misspelt name may have meant."""

import difflib


def nearest(name: str, known, prefix: str = '') -> str:
  """' (did you mean ...?)' with the prefix before the known name that is
  nearest, or nothing if none is near."""
  near = difflib.get_close_matches(name, list(known), n=1)
  return f' (did you mean {prefix + near[0]!r}?)' if near else ''

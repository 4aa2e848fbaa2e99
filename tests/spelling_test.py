from vae_jax.spelling import nearest


def test_the_nearest_known_name_is_offered():
  known = ['latents', 'beta', 'learning_rate']
  assert nearest('latent', known) == " (did you mean 'latents'?)"
  assert nearest('latent', known, '--') == " (did you mean '--latents'?)"


def test_nothing_is_offered_where_nothing_is_near():
  assert nearest('zzz', ['latents']) == ''
  assert nearest('latents', []) == ''

"""One file is one experiment: a docstring and a value named `experiment`.

"The lesson" in them is F. Chollet's "Building autoencoders in Keras" (2016,
https://blog.keras.io/building-autoencoders-in-keras.html), on which courses
build, with what those add: conditional and adversarial ones, super-resolution.
"""

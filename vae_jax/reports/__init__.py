"""What runs say: verdicts, pictures of a model, curves over runs, tables.

claims    one run or several to a Report; claims held or not
over      how many latents are enough, and curves over their number
pictures  a trained model to a figure
walks     walks through a model's codes to a figure
summary   what a command prints at its end
"""

"""Runs on the host, from a command's members to results on disk.

directory   every file of a run directory but its settings, log and checkpoints
bucket      a work directory in a bucket: a copy that is kept alike
settings    config.json: what a run is, and what it was made with
machine     what jax is told, and what this machine lets it do
prepare     that a run can start, and its state before the first step
plan        which runs train together: jobs
stacked     the states of a job's runs on the devices, and each back
loop        the training loop: call, log, test, save, stop
finish      baselines, verdicts, pictures, results.json, tables
job         train or measure a job in its directories
command     what one command does with its members, one run or a grid
throughput  what a train step costs and what limits it
benchmark   the throughput of several members
play        a trained model on one's own MIDI files
use         a trained model on one's own images
"""

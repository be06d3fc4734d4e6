"""Starts the runs of a figure: on a laptop, a cluster, or Cloud TPUs."""

"""Draws figures and prints tables from the table of results."""

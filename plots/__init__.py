"""Figures: functions from the table of results to a picture."""

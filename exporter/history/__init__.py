"""`backfill`: GitHub's past as files for Prometheus.

sources.py   which collectors have a past at which targets, and in which parts it is asked    (pure)
asking.py    asks GitHub, part by part; every answer goes into the
spool.py     file of what was read and is not written yet, so that a run goes on where it was stopped
spans.py     from when until when figures were shown                                          (pure)
month.py     the lines of one file: a collector, a target, a month
folder.py    the output folder: its finished files, and its manifest
seam.py      what the state of the running exporter says: where the past ends
progress.py  what a person sees meanwhile
"""

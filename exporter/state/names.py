"""The names of the files in the state folder."""

STATE_FILE = "state.db"
LOCK = "lock"
NEW_STATE = f"{STATE_FILE}.new"
"""A copy that is being written; it becomes `STATE_FILE`, or is set aside."""
LOG = f"{STATE_FILE}-wal"
"""SQLite's log of writes that are not in the file yet."""
DATABASE = (STATE_FILE, LOG, f"{STATE_FILE}-shm")
SUFFIXES = ("", "-wal", "-shm", "-journal")
"""Of a database and of the files that SQLite puts beside it."""
LEFTOVERS = ("last-answer", "last-answer.new")
"""Files of older versions. They hold samples, with names of people that `privacy` may hide by now: they are removed."""

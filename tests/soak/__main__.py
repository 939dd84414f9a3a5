"""`python -m tests.soak --minutes=30 --seed=7`: faults without end, and exact counters after them."""

import argparse
import logging
import shutil
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from tests.soak.report import summary
from tests.soak.run import soak


def main() -> int:
    """Run it; exit code 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument("--patience", type=float, default=1.0, help="seconds for a scrape; more on a busy machine")
    words = parser.parse_args()
    seed = SystemRandom().randrange(1_000_000) if words.seed is None else words.seed
    print(f"make soak MINUTES={words.minutes:g} SEED={seed}", flush=True)
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())  # answers that GitHub breaks off are meant
    logging.getLogger("uvicorn").propagate = False
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    result = soak(
        folder, words.minutes, seed, patience=words.patience, say=lambda line: print(f"{line}\n", end="", flush=True)
    )
    print(*summary(result, seed, words.minutes), sep="\n")
    if result.breaches:
        print(f"Log and state of the exporter: {folder}")
    else:
        shutil.rmtree(folder)
    return bool(result.breaches)


if __name__ == "__main__":
    sys.exit(main())

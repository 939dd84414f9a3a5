"""What a page costs the client: the product's client beside httpx as it comes, from a server in another process."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.bench.contender import Contender, module
from tests.bench.run import OURS, Run

STOCK = "httpx"
PAGES = 1_000
GROWTH = (100, 300, PAGES)
WAYS = ("http", "https")


def certify(folder: Path) -> Path:
    """A certificate for this machine's loopback; its key lies beside it."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    target = folder / "certificate.pem"
    files = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"), "-out", str(target))
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return target


def walk(whose: str, root: str, certificate: Path) -> tuple[float, float]:
    """Microseconds of the client's CPU and of wall time for a page."""
    kind = "ours" if whose == OURS else "stock"
    done = subprocess.run(module("fetcher", kind, root, certificate), check=True, capture_output=True, text=True)
    _, _pages, cpu, wall = done.stdout.split()
    return float(cpu), float(wall)


def measure(run: Run) -> None:
    """Cells `page http` and `page https` in microseconds of CPU, and `pages` in seconds, by the number of pages."""
    certificate = certify(run.folder)
    growth = GROWTH if run.rounds > 2 else (100, 300)
    with ExitStack() as stack:
        ports = {}
        for pages in growth:
            server = stack.enter_context(Contender("pages", *module("pageserver", pages, run.folder))).started()
            plain, secure = server.port, server.started().port
            ports[pages] = {"http": plain, "https": secure}
        for number in range(run.rounds):
            run.say(f"pages: round {number + 1} of {run.rounds}")
            for way in WAYS:
                for whose in (STOCK, OURS):
                    cpu, wall = walk(whose, f"{way}://127.0.0.1:{ports[growth[-1]][way]}", certificate)
                    run.figures.add(f"page {way}", whose, growth[-1], cpu)
                    run.figures.add(f"page {way} wall", whose, growth[-1], wall)
            for pages in growth:
                cpu, _ = walk(OURS, f"https://127.0.0.1:{ports[pages]['https']}", certificate)
                run.figures.add("pages", OURS, pages, cpu * pages / 1e6)

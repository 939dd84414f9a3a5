"""One attempt of a job through the real client."""

import asyncio

from exporter.collecting.attempt import Attempt, Question, Reading, ask
from exporter.collecting.conclude import Conclusion, conclude
from exporter.counting.keys import Rules
from exporter.counting.windows import Windows
from exporter.errors import GitHubError
from exporter.exposition.snapshot import Snapshot
from exporter.fetching import Memory
from exporter.github.client import GitHub
from exporter.jobs import Job
from tests.support.jobs import NOW


def conclusion_of(
    job: Job,
    github: GitHub,
    before: Snapshot | None = None,
    *,
    data_time: float | None = None,
    now: float = NOW,
    places: int = 500,
) -> Conclusion:
    """The conclusion of one attempt, which is told the `data_time` of the values shown; closes the client."""
    before = before or Snapshot()
    memory = Memory(before.memory)

    async def result() -> Reading | GitHubError:
        try:
            return await ask(Question(job, None, Windows(), data_time=data_time, memory=memory), github)
        except GitHubError as error:
            return error
        finally:
            await github.aclose()

    done = Attempt(asyncio.run(result()), now, 0.5, 0.0, memory=memory.value)
    return conclude(job, before, done, Rules(places, 1e9))

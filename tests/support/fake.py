"""What answers in place of a host, through httpx's transport."""

from collections.abc import Callable

import httpx


class Fake:
    """A host that answers from a function, or in order from a list, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | Callable[[httpx.Request], httpx.Response] | Exception) -> None:
        self.asked: list[httpx.Request] = []
        self._answers = answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.asked]

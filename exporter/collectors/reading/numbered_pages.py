"""Lists whose pages are numbered, and whose bodies say whether another one follows; no `Link` header is promised."""

from collections.abc import Callable
from typing import Any

from exporter import worker
from exporter.catalogue import PAGE_SIZE
from exporter.errors import Invalid
from exporter.fetching import Api
from exporter.github.decoding import decode_json
from exporter.github.links import next_link

MOST_PAGES = 50


async def each_page(api: Api, path: str, items: str, take: Callable[[dict[str, Any]], int]) -> None:
    """Give each page's body to `take`, which returns how many items were new. Raises `Invalid` for endless lists.

    `items` is the name of the list in the body. The last page says so (`has_next_page`); where it does not, it has no
    link to another one and is not full. A page without anything new is the last one, whatever it says.
    """

    def read(body: bytes) -> tuple[dict[str, Any], int]:
        answer = decode_json(body)
        if not isinstance(answer, dict) or not isinstance(answer.get(items), list):
            raise Invalid(f"the answer has no list of {items}")
        if len(answer[items]) > 10 * PAGE_SIZE:
            raise Invalid(f"a page of {len(answer[items])} {items}; at most {10 * PAGE_SIZE} are read")
        return answer, take(answer)

    for number in range(1, MOST_PAGES + 1):
        reply = await api.get(path, {"per_page": PAGE_SIZE, "page": number})
        answer, new = await worker.run(read, reply.body)
        more = answer.get("has_next_page")
        if not isinstance(more, bool):
            more = next_link(reply.headers.get("link", "")) is not None or len(answer[items]) >= PAGE_SIZE
        if not more or not new:
            return
    raise Invalid(f"{path}: more than {MOST_PAGES} pages")

"""Which of several exporters reads a target, so that together they read each once. Pure.

Rendezvous hashing: of all shards the one whose hash with the quota pool is largest owns the pool. With another number
of shards only those pools move whose largest hash is the new shard's, or was the missing one's.

https://en.wikipedia.org/wiki/Rendezvous_hashing
"""

import hashlib
import re


def owner(pool: str, total_shards: int) -> int:
    """The shard, from 0 on, that owns a quota pool and thus all targets whose requests count against it."""
    return max(range(total_shards), key=lambda shard: _score(shard, pool))


def ordinal(host: str) -> int | None:
    """The number at the end of a host's name, which a StatefulSet gives its pods: 2 of `exporter-2`; None without."""
    match = re.fullmatch(r".*-([0-9]{1,9})", host.partition(".")[0])
    return int(match[1]) if match else None


def _score(shard: int, pool: str) -> bytes:
    return hashlib.blake2b(f"{shard} {pool}".encode(), digest_size=8).digest()

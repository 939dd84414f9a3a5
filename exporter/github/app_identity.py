"""A GitHub App as itself, not as one of its installations: the credential for what it asks about its installations.

https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app
"""

from dataclasses import dataclass, field

from pydantic import SecretStr

from exporter.github.apps import SKEWED, AppCredential
from exporter.github.exchange import Exchange


@dataclass(slots=True)
class AppIdentity(AppCredential):
    """The App itself. It has a rate limit of its own, apart from those of its installations."""

    _sent: SecretStr | None = field(default=None, init=False, repr=False, compare=False)
    _identity: bytes = field(default=b"", init=False, repr=False, compare=False)
    _signed_at: float = field(default=0.0, init=False, repr=False, compare=False)
    _exchange: Exchange | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The credential's name."""
        return self.app.name

    async def token(self, exchange: Exchange) -> str:
        """A JWT that is valid for ten minutes; raises `AppRejected`."""
        self._exchange, self._signed_at = exchange, exchange.now()
        token, self._identity = await self.app.sign(self._signed_at)
        self._sent = SecretStr(token)
        return token

    async def renew(self, token: str) -> bool:  # noqa: ARG002 - the protocol's; the newest was sent
        """Whether the JWT had a wrong date, as the refusal has shown; otherwise its key is refused."""
        now = self._exchange.now() if self._exchange else self._signed_at
        if abs(now - self._signed_at) >= SKEWED:
            return True
        await self.app.refuse(self._identity, now, "GitHub answers 401")
        return False

    def sends(self, token: str) -> bool:
        """Whether it is the newest JWT."""
        return self._sent is not None and self._sent.get_secret_value() == token

    def is_fresh(self, token: str, now: float) -> bool:  # noqa: ARG002 - the protocol's
        """Never: GitHub's servers need not learn of a JWT."""
        return False

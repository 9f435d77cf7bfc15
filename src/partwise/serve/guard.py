"""What every request passes: only a browser on this machine is answered, and no page of it loads anything from outside.

A server on 127.0.0.1 can be reached by any web page that the same browser shows. Two attacks are refused:

- DNS rebinding: a name of the attacker is made to point to 127.0.0.1. The Host header has that name.
- A page elsewhere that sends a form or a script to this server. The Origin header has its address.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HOSTS", "POLICY", "Guard"]

HOSTS = ("127.0.0.1", "localhost")
# Everything comes from this server; masks are drawn on canvases, and the page has no inline script or style.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Answers only requests to this machine by pages of this server, and adds the headers of safety.

    Args:
        app: The application.
        hosts: Names that the Host header may have; a port may follow.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = HOSTS) -> None:
        self.app, self.hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, see ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if refusal := self._refusal(Headers(scope=scope)):
            await JSONResponse({"error": refusal}, 403)(scope, receive, guarded)
            return
        await self.app(scope, receive, guarded)

    def _refusal(self, headers: Headers) -> str:
        """Say why a request is not answered; "" if it is."""
        host = headers.get("host", "")
        if _name(f"//{host}") not in self.hosts:
            return "this server answers only to 127.0.0.1 and localhost: open it by one of these addresses"
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host.lower():
            return "a page of another address asked: open the page of this server"
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return "a page of another address asked: open the page of this server"
        return ""


def _place(address: str) -> str:
    """Host and port of an address in lower case; "" if there is none."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def _name(address: str) -> str:
    """The host of an address, without its port; "" if there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""

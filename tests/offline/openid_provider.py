"""A real provider of OpenID Connect on loopback, for tests: it signs by RS256, and lies on demand.

Whoever comes to `authorize` is who `claims` says, without a password. A test changes what is said
(`claims`), what of it is signed (`forge`), or that it signs nobody in (`refuses`).
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID, CLIENT_SECRET = "academy", "the secret of the client"
#: Claims, and the header; what it returns is the token.
Forge = Callable[["OpenIdProvider", dict[str, Any]], str]


def signed(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    """As it should be."""
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, provider.key)


def by_another_key(_provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, RSAKey.generate_key(2048))


def by_nobody(_provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "kid": "one"}, claims))
    return ".".join([*(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def by_the_public_key(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    """A MAC under what everybody can read: taken by who does not look which algorithm it is."""
    mac = OctKey.import_key(provider.key.as_pem(private=False))
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, mac, algorithms=["HS256"])


def saying(**other: Any) -> Forge:
    """Signed, and with other claims; None leaves one out."""

    def forge(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
        changed = {**claims, **other}
        return signed(provider, {name: each for name, each in changed.items() if each is not None})

    return forge


def changed_after(provider: OpenIdProvider, claims: dict[str, Any]) -> str:
    head, _, signature = signed(provider, claims).split(".")
    other = signed(provider, {**claims, "email": "ben@example.org"}).split(".")[1]
    return f"{head}.{other}.{signature}"


@dataclass
class OpenIdProvider:
    issuer: str = ""
    #: Of who signs in.
    claims: dict[str, Any] = field(default_factory=dict)
    forge: Forge = signed
    #: What userinfo says, if it says another thing than the ID token.
    user_info: dict[str, Any] | None = None
    #: An error instead of a sign-in: what comes back with the browser.
    refuses: dict[str, str] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Every path that was asked for.
    asked: list[str] = field(default_factory=list)

    def signs_in(self, name: str, **more: Any) -> None:
        """Who comes next is this person, by the address of that name at example.org."""
        said = {"sub": f"sub-of-{name}", "email": f"{name}@example.org", "email_verified": True}
        self.claims = {**said, **more}
        self.forge, self.user_info, self.refuses = signed, None, {}

    def answer(self, method: str, path: str, query: dict[str, str], form: dict[str, str]) -> Any:
        """(status, headers, document) of a request."""
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            ends = ("authorization", "token", "userinfo")
            found = {f"{end}_endpoint": f"{self.issuer}/{end}" for end in ends}
            keys = f"{self.issuer}/keys"
            return 200, {}, {"issuer": self.issuer, "jwks_uri": keys, **found}
        if path == "/keys":
            public = {**self.key.as_dict(private=False), "kid": "one", "alg": "RS256"}
            return 200, {}, {"keys": [public]}
        if path == "/authorization" and method == "GET":
            return self._authorize(query)
        if path == "/token" and method == "POST":
            return self._token(form)
        if path == "/userinfo":
            return 200, {}, self.user_info or self.claims
        return 404, {}, {"error": "not_found"}

    def _authorize(self, query: dict[str, str]) -> Any:
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        back = {"state": query["state"], **self.refuses}
        if not self.refuses:
            code = secrets.token_urlsafe(16)
            self.codes[code] = query
            back["code"] = code
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(back)}"}, {}

    def _token(self, form: dict[str, str]) -> Any:
        asked = self.codes.pop(form.get("code", ""), None)
        known = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if not known or asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {}, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.claims,
        }
        return 200, {}, {"id_token": self.forge(self, claims), "access_token": "of-no-use"}


@contextmanager
def running() -> Iterator[OpenIdProvider]:
    """A provider that answers until the block ends."""
    provider = OpenIdProvider()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            form = dict(parse_qsl(self.rfile.read(size).decode()))
            status, headers, document = provider.answer(
                self.command, parts.path, dict(parse_qsl(parts.query)), form
            )
            body = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()

"""What goes out with every answer, and what a form must come with.

Cookies are of this host alone (`__Host-`), for HTTP alone, and never sent in clear. A form counts
if the browser says that it was sent from here, and if it carries a token that only a page made for
this session could have: an HMAC under the session's own secret, so that nothing needs to be kept.

Sources: RFC 6265bis (cookie name prefixes, SameSite), Content Security Policy Level 3, Fetch
(Origin, Sec-Fetch-Site), and OWASP's cheat sheet on cross-site request forgery.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

#: The access token of who is signed in.
SESSION = "__Host-session"
#: The half of a sign-in that waits for its code.
CODE = "__Host-code"
#: A sign-in by the provider that has not come back yet, and what ends one that has.
PROVIDER = "__Host-provider"
REFRESH = "__Host-refresh"
SESSION_SECONDS = 12 * 3600
CODE_SECONDS = 600
PROVIDER_SECONDS = 600

#: With no-referrer a browser would send forms with an Origin of `null`, which could be anybody's.
REFERRER_POLICY = "same-origin"

_DIGEST = 32
#: Characters of an address (RFC 3986), and the names that Studio's hosts have.
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+")
_STUDIO = re.compile(r"(?:[a-z0-9-]+\.)+sagemaker\.aws")
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def headers(*, form_action: Sequence[str] = (), cache: str = "no-store") -> dict[str, str]:
    """The headers of every answer.

    Args:
        form_action: where else a form of the page may lead, by a redirect.
    """
    actions = " ".join(["'self'", *form_action])
    policy = (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
        f"connect-src 'self'; form-action {actions}; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": REFERRER_POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cache-Control": cache,
        "Strict-Transport-Security": "max-age=31536000",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "X-Robots-Tag": "noindex",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def cookie(name: str, value: str, seconds: int, same_site: Literal["Lax", "Strict"]) -> str:
    """A Set-Cookie line. `value` has letters, digits and `-_.` only."""
    return f"{name}={value}; Max-Age={seconds}; Path=/; Secure; HttpOnly; SameSite={same_site}"


def no_cookie(name: str) -> str:
    """A Set-Cookie line that takes the cookie back."""
    return cookie(name, "", 0, "Lax")


def csrf(secret: str) -> str:
    """What a form that was made for the session of `secret` carries.

    It is masked by chance, anew each time: pages are compressed, and what a page repeats of a
    secret could be told from its size (BREACH, Gluck, Harris and Prado 2013).
    """
    pad = os.urandom(_DIGEST)
    return base64.urlsafe_b64encode(pad + _xor(pad, _token(secret))).rstrip(b"=").decode()


def is_csrf(given: str, secret: str) -> bool:
    """Whether `given` is such a token; without a secret nothing is."""
    try:
        raw = base64.urlsafe_b64decode(given.encode("ascii") + b"=" * (-len(given) % 4))
    except (ValueError, binascii.Error):
        return False
    if not secret or len(raw) != 2 * _DIGEST:
        return False
    return hmac.compare_digest(_xor(raw[:_DIGEST], raw[_DIGEST:]), _token(secret))


def _token(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def from_here(host: str, origin: str, fetch_site: str) -> bool:
    """Whether a form was sent by a page of `host` itself, by what only the browser can say.

    >>> from_here("a.example", "https://a.example", "")
    True
    >>> from_here("a.example", "https://b.example", "same-origin")
    False
    >>> from_here("a.example", "null", ""), from_here("a.example", "", "")
    (False, False)
    """
    if fetch_site and fetch_site not in ("same-origin", "none"):
        return False
    if not origin or origin == "null":
        return bool(fetch_site)
    try:
        asked = urlsplit(origin)
    except ValueError:
        return False
    secure = asked.scheme == "https" or (asked.scheme == "http" and is_loopback(host))
    return bool(host) and secure and origin == f"{asked.scheme}://{host}"


def is_loopback(host: str) -> bool:
    """Whether `host`, with or without a port, is this machine itself."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name in _LOOPBACK


def leads_into_studio(url: str, *, offline: bool) -> bool:
    """Whether a browser may be sent to `url`: to Studio, or offline to this machine.

    >>> leads_into_studio("https://studio-d-1.studio.us-east-1.sagemaker.aws/auth?x", offline=False)
    True
    >>> leads_into_studio("http://127.0.0.1:80/a", offline=False)
    False
    """
    try:
        asked = urlsplit(url)
    except ValueError:
        return False
    host = asked.netloc
    # Browsers take a backslash for a slash, and drop line ends, before they look for the host.
    if not _ADDRESS.fullmatch(url):
        return False
    if offline and asked.scheme == "http" and is_loopback(host):
        return True
    return asked.scheme == "https" and bool(_STUDIO.fullmatch(host))

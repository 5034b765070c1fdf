"""The two pages before the door: by which address, and the code that was sent there."""

from __future__ import annotations

from infra.services.door.context import Page
from infra.services.door.pages import fill

_SIGN_IN = """\
{% import "parts" as parts %}
<div class="gate">
<p class="over">Deep Learning Academy · {{ cohort }}</p>
<h1>Sign in</h1>
{{ parts.problem(problem) }}
{% if told %}<p class="good" role="status">{{ told }}</p>{% endif %}
{% if provider %}<p><a class="button" href="/provider">Sign in with {{ provider }}</a></p>
<p class="or">or by a code</p>
{% endif %}<form class="card" method="post" action="/sign-in">
<div class="field"><label for="email">Your e-mail address</label>
<input id="email" name="email" type="email" autocomplete="email" required maxlength="254"
 value="{{ email }}"{% if not told and not provider %} autofocus{% endif %} aria-describedby="how">
<p class="hint" id="how">The one that your admin knows you by. A code comes to it; there is no
password.</p></div>
<button>Send me a code</button>
</form>
</div>
"""

_CODE = """\
{% import "parts" as parts %}
<div class="gate">
<p class="over">Deep Learning Academy · {{ cohort }}</p>
<h1>Your code</h1>
{{ parts.problem(problem) }}
<form class="card" method="post" action="/code">{{ parts.csrf(csrf) }}
<div class="field"><label for="code">The code from the mail</label>
<input id="code" class="code" name="code" inputmode="numeric" autocomplete="one-time-code" required
 maxlength="20" pattern="[0-9 \\-]*" autofocus aria-describedby="how">
<p class="hint" id="how">If your address is known here, a code is on its way to it. It counts for a
few minutes.</p></div>
<button>Sign in</button>
</form>
<p class="hint">Nothing came? Look among the spam, or <a href="/?again">ask for a new code</a>.</p>
</div>
"""


def sign_in(
    cohort: str,
    *,
    problem: str = "",
    told: str = "",
    email: str = "",
    status: int = 200,
    provider: str = "",
) -> Page:
    """The page that asks for an address, and before that leads to the provider, if there is one."""
    body = fill(_SIGN_IN, cohort=cohort, problem=problem, told=told, email=email, provider=provider)
    return Page("Sign in", body, status=status)


def code(cohort: str, csrf: str, *, problem: str = "", status: int = 200) -> Page:
    """The page that asks for the code."""
    return Page("Your code", fill(_CODE, cohort=cohort, csrf=csrf, problem=problem), status=status)

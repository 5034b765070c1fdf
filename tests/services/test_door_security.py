"""What goes out with the door's answers, and which forms count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.services.door.entrance import security
from tests.services.door_world import HOST


@pytest.mark.parametrize(
    ("origin", "fetch_site", "counts"),
    [
        (f"https://{HOST}", "same-origin", True),
        (f"https://{HOST}", "", True),
        ("", "same-origin", True),
        ("null", "same-origin", True),
        ("", "", False),
        ("null", "", False),
        ("null", "cross-site", False),
        (f"https://{HOST}", "cross-site", False),
        (f"https://{HOST}", "same-site", False),
        ("https://evil.example", "", False),
        ("https://evil.example", "same-origin", False),
        (f"http://{HOST}", "", False),
        (f"https://{HOST}.evil.example", "", False),
        (f"https://{HOST}:8443", "", False),
        (f"https://user@{HOST}", "", False),
        ("https://[", "", False),
    ],
)
def test_a_form_counts_only_if_a_page_of_this_host_sent_it(
    origin: str, fetch_site: str, counts: bool
) -> None:
    assert security.from_here(HOST, origin, fetch_site) is counts


def test_a_form_from_plain_http_counts_on_loopback_alone() -> None:
    assert security.from_here("127.0.0.1:4630", "http://127.0.0.1:4630", "")
    assert not security.from_here("127.0.0.1:4630", "http://127.0.0.1:4631", "")
    assert not security.from_here("10.0.0.1", "http://10.0.0.1", "")


def test_without_a_host_nothing_is_from_here() -> None:
    assert not security.from_here("", "https://", "")


def test_a_forms_token_is_another_each_time_and_good_for_its_session() -> None:
    one, other = security.csrf("session"), security.csrf("session")
    assert one != other
    assert security.is_csrf(one, "session")
    assert security.is_csrf(other, "session")


def test_a_forms_token_of_another_session_is_good_for_nothing() -> None:
    assert not security.is_csrf(security.csrf("session of ben"), "session of ana")
    assert not security.is_csrf(security.csrf(""), "")


@given(st.text(max_size=120))
def test_what_anybody_writes_for_a_token_is_none(text: str) -> None:
    assert not security.is_csrf(text, "session")


def test_a_cookie_is_of_this_host_alone_and_no_script_reads_it() -> None:
    line = security.cookie(security.SESSION, "abc", 60, "Lax")
    assert line.startswith("__Host-session=abc;")
    parts = {part.strip() for part in line.split(";")[1:]}
    assert parts == {"Max-Age=60", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"}


def test_a_page_may_load_and_lead_nowhere_but_here() -> None:
    policy = security.headers()["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert not any("unsafe" in each for each in policy)


def test_the_referrer_policy_lets_forms_say_where_they_come_from() -> None:
    # Fetch: with no-referrer a form is sent with "Origin: null".
    assert security.headers()["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("url", "offline", "leads"),
    [
        ("https://studio-d-1.studio.us-east-1.sagemaker.aws/auth?token=x", False, True),
        ("https://d-1.studio.us-east-1.sagemaker.aws:443/auth", False, False),
        ("http://studio-d-1.studio.us-east-1.sagemaker.aws/auth", False, False),
        ("https://sagemaker.aws.evil.example/auth", False, False),
        ("https://evil.example/.sagemaker.aws", False, False),
        ("https://evil.example@x.sagemaker.aws", False, False),
        ("javascript:alert(1)//.sagemaker.aws", False, False),
        ("http://127.0.0.1:4599/lab", True, True),
        ("http://127.0.0.1:4599/lab", False, False),
        ("http://127.0.0.1.evil.example/lab", True, False),
        ("https://[", True, False),
        ("https://evil.example\\.sagemaker.aws/auth", False, False),
        ("https://d-1.studio.us-east-1.sagemaker.aws/\r\nSet-Cookie: a=b", False, False),
        ("https://d-1.studio.us-east-1.sagemaker.aws/a b", False, False),
        ("https://.sagemaker.aws/auth", False, False),
        ("", True, False),
    ],
)
def test_a_browser_is_sent_into_studio_and_nowhere_else(
    url: str, offline: bool, leads: bool
) -> None:
    assert security.leads_into_studio(url, offline=offline) is leads

"""Which route a request takes."""

from __future__ import annotations

import pytest

from infra.offline.services.http_api import routes

#: Source: "Create routes for HTTP APIs in API Gateway", developer guide, its example.
AWSS_EXAMPLE = (
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "$default",
)


@pytest.mark.parametrize(
    ("request_", "taken", "parameters"),
    [
        ("GET /pets/dog/1", "GET /pets/dog/1", {}),
        ("GET /pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET /pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST /test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("GET /", "$default", {}),
    ],
)
def test_the_most_specific_route_is_taken(
    request_: str, taken: str, parameters: dict[str, str]
) -> None:
    method, path = request_.split()
    for order in (AWSS_EXAMPLE, AWSS_EXAMPLE[::-1]):
        found = routes.chosen(order, method, path)
        assert found is not None
        assert (found[0].text, found[1]) == (taken, parameters)


def test_an_exact_method_comes_before_any() -> None:
    found = routes.chosen(("ANY /sign-in", "POST /sign-in"), "POST", "/sign-in")
    assert found is not None
    assert found[0].text == "POST /sign-in"


@pytest.mark.parametrize("path", ["/sign-in/", "//sign-in", "/sign-in/more", "/SIGN-IN"])
def test_what_only_looks_like_a_route_goes_to_the_default(path: str) -> None:
    found = routes.chosen(("POST /sign-in", "$default"), "POST", path)
    assert found is not None
    assert found[0].text == "$default"


def test_another_method_is_no_route() -> None:
    assert routes.chosen(("POST /sign-in",), "GET", "/sign-in") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "default",
        "get /pets",
        "FETCH /pets",
        "GET pets",
        "GET  /pets",
        "GET /pets/{id",
        "GET /{a+}/b",
        "GET /{a}/{a}",
        "GET /a b",
    ],
)
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not formatted properly"):
        routes.read(text)


def test_parameters_names_do_not_tell_routes_apart() -> None:
    assert routes.read("GET /{a}/{b+}").identity == routes.read("GET /{c}/{d+}").identity
    assert routes.read("GET /{a}").identity != routes.read("GET /{a+}").identity
    assert routes.read("GET /{a}").identity != routes.read("POST /{a}").identity

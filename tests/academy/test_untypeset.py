"""Money in a notebook's output is money: JupyterLab makes no mathematics of it."""

import ast
from pathlib import Path

import academy
from academy.board import Budget

LIBRARY = Path(academy.__file__).parent


def test_every_page_of_the_library_keeps_its_dollars() -> None:
    seen = 0
    for file in LIBRARY.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "_repr_html_":
                seen += 1
                marks = [ast.unparse(each) for each in node.decorator_list]
                assert "untypeset" in marks, f"{file.relative_to(LIBRARY)}:{node.lineno}"
    assert seen > 10


def test_a_budget_stands_in_an_element_that_mathjax_leaves_alone() -> None:
    budget = Budget(
        cap_micro_usd=5_000_000,
        spent_micro_usd=0,
        reserved_micro_usd=210_000,
        available_micro_usd=4_790_000,
        open=(),
    )
    page = budget._repr_html_()
    assert page.startswith('<div class="mathjax_ignore tex2jax_ignore">')
    assert page.endswith("</div>")
    assert "$4.79 left of $5.00" in page

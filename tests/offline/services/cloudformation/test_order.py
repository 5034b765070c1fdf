"""Resources come after what they need and go before it, whatever the graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.offline.server import Cloud
from infra.offline.services.cloudformation.errors import StackValidationError
from tests.offline.services.cloudformation.academy_stacks import Deployer

Graph = dict[int, set[int]]


@st.composite
def graphs(draw: Any) -> tuple[Graph, list[int], set[tuple[int, int]]]:
    """A graph without circles, an order to write it down, and which edges are a DependsOn."""
    size = draw(st.integers(1, 7))
    needs = {
        node: draw(st.sets(st.integers(0, node - 1), max_size=3)) if node else set()
        for node in range(size)
    }
    written = draw(st.permutations(range(size)))
    edges = [(node, needed) for node in needs for needed in needs[node]]
    plain = draw(st.sets(st.sampled_from(edges))) if edges else set()
    return needs, written, plain


def template(needs: Graph, written: list[int], plain: set[tuple[int, int]]) -> dict[str, Any]:
    resources = {}
    for node in written:
        referred = sorted(needed for needed in needs[node] if (node, needed) not in plain)
        waits = sorted(needed for needed in needs[node] if (node, needed) in plain)
        value = {"Fn::Join": ["", ["x", *({"Ref": f"R{needed}"} for needed in referred)]]}
        resources[f"R{node}"] = {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Name": f"/order/{node}", "Value": value},
            **({"DependsOn": [f"R{needed}" for needed in waits]} if waits else {}),
        }
    return {"Resources": resources}


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with Cloud(state=tmp_path_factory.mktemp("cloud")):
        yield Deployer()


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graph=graphs())
def test_creation_respects_the_graph_and_deletion_its_reverse(deployer, graph):
    needs, written, plain = graph
    stack = deployer.deploy("graph", template(needs, written, plain))
    assert stack.status == "CREATE_COMPLETE"
    deployer.delete("graph")
    at = {
        status: {
            event.logical_id: place
            for place, event in enumerate(stack.events)
            if event.status == status
        }
        for status in ("CREATE_COMPLETE", "DELETE_COMPLETE")
    }
    for node, needed in ((f"R{a}", f"R{b}") for a in needs for b in needs[a]):
        assert at["CREATE_COMPLETE"][needed] < at["CREATE_COMPLETE"][node]
        assert at["DELETE_COMPLETE"][node] < at["DELETE_COMPLETE"][needed]
    assert stack.status == "DELETE_COMPLETE"


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(graph=graphs(), data=st.data())
def test_a_circle_is_refused_and_named(deployer, graph, data):
    needs, written, plain = graph
    last = data.draw(st.sampled_from(sorted(needs)))
    circle = {last}
    while grown := {node for node in needs if needs[node] & circle} - circle:
        circle |= grown  # everything that needs `last`, and so stands behind the circle
    first = data.draw(st.sampled_from(sorted(circle)))
    needs[last] = {*needs[last], first}
    with pytest.raises(StackValidationError) as refused:
        deployer.deploy("circle", template(needs, written, plain))
    said = str(refused.value)
    named = re.search(r"Circular dependency between resources: \[(.+)\]", said)
    assert named, said
    assert {f"R{last}", f"R{first}"} <= set(named[1].split(", "))
    assert deployer.engine.find("circle") is None

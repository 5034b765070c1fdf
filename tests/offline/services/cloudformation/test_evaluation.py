"""The intrinsic functions, the syntax of templates, and what they refuse."""

from __future__ import annotations

import pytest

from infra.offline.services.cloudformation.errors import TemplateError
from infra.offline.services.cloudformation.evaluation import Evaluation, creation_order
from infra.offline.services.cloudformation.parameters import resolve_parameters
from infra.offline.services.cloudformation.template import Template

HEADER = """
Parameters:
  Stage: {Type: String, Default: test}
  Zones: {Type: CommaDelimitedList, Default: "a, b"}
  Size: {Type: Number, Default: 3}
Mappings:
  Sizes: {test: {cpu: small}, live: {cpu: large}}
Conditions:
  IsTest: !Equals [!Ref Stage, test]
  IsLive: !Not [!Condition IsTest]
  Both: !And [!Condition IsTest, !Condition IsLive]
  Either: !Or [!Condition IsTest, !Condition IsLive]
Resources:
  Thing:
    Type: T
    Properties:
      Value: %s
  Other: {Type: T}
"""
PSEUDO = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}


def evaluate(written: str, **given: str):
    template = Template.read(HEADER % written)
    parameters = resolve_parameters(template, given, lambda name: f"stored in {name}")
    evaluation = Evaluation(template, parameters.values, PSEUDO)
    return evaluation.properties(template.resources["Thing"]).get("Value")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!Ref Stage", "test"),
        ("!Ref AWS::Region", "us-east-1"),
        ("!Ref Other", "${Other}"),
        ("!GetAtt Other.Arn", "${Other.Arn}"),
        ("!GetAtt [Other, Arn]", "${Other.Arn}"),
        ("!Sub '${Stage}-${AWS::AccountId}-${!Literal}'", "test-123456789012-${Literal}"),
        ("!Sub 'in ${Other.Arn}'", "in ${Other.Arn}"),
        ("!Sub ['${a}/${Stage}', {a: !Ref Size}]", "3/test"),
        ("!Join ['-', !Ref Zones]", "a-b"),
        ("!Join ['', [x, !Ref Size, true]]", "x3true"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select ['0', !Split ['/', 'x/y']]", "x"),
        ("!FindInMap [Sizes, !Ref Stage, cpu]", "small"),
        ("!If [IsTest, yes-test, no-test]", "yes-test"),
        ("!If [IsLive, 1, !Ref AWS::NoValue]", None),
        ("!If [Both, 1, 2]", 2),
        ("!If [Either, 1, 2]", 1),
        ("[1, !Ref AWS::NoValue, 2]", [1, 2]),
        ("{a: !Ref AWS::NoValue, b: 1}", {"b": 1}),
        ("!Base64 abc", "YWJj"),
        ("!GetAZs ''", ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ("!ImportValue exported", "${import exported}"),
        ("2012-10-17", "2012-10-17"),
        # Of a value that is not known before it is made.
        ("!Select [5, !Split [':', !GetAtt Other.Arn]]", "${part 5 of ['${Other.Arn}']}"),
    ],
)  # fmt: skip
def test_a_function_gives(written, value):
    assert evaluate(written) == value


def test_a_given_parameter_wins_over_its_default():
    assert evaluate("!FindInMap [Sizes, !Ref Stage, cpu]", Stage="live") == "large"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("!Ref Nobody", "Unresolved resource dependencies \\[Nobody\\]"),
        ("!GetAtt Nobody.Arn", "undefined resource Nobody"),
        ("!Sub '${Nobody}'", "\\[Nobody\\]"),
        ("!FindInMap [Sizes, none, cpu]", "Fn::FindInMap cannot be applied"),
        ("!Select [7, !Ref Zones]", None),
        ("!Join ['-', text]", "Fn::Join cannot be applied"),
        ("!Length [1]", "Fn::Length is not modelled"),
        ("'{{resolve:secretsmanager:x}}'", "Dynamic reference"),
        ("!If [Unknown, 1, 2]", "Unresolved condition Unknown"),
    ],
)
def test_what_cannot_be_evaluated_says_why(written, words):
    if words is None:  # a placeholder stands in before anything is made; deploying fails
        assert "part 7" in evaluate(written)
        return
    with pytest.raises(TemplateError, match=words):
        evaluate(written)


@pytest.mark.parametrize(
    ("declared", "given", "words"),
    [
        ("{Type: String}", {}, r"\[P\] must have values"),
        ("{Type: String, Default: x}", {"Q": "1"}, r"\[Q\] do not exist"),
        ("{Type: Number}", {"P": "one"}, "must be a number"),
        ("{Type: String, AllowedValues: [a, b]}", {"P": "c"}, "one of AllowedValues"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", {"P": "A"}, "match pattern"),
        ("{Type: String, MaxLength: 2}", {"P": "abc"}, "at most 2"),
        ("{Type: Number, MinValue: 2}", {"P": "1"}, "not less than 2"),
        ("{Type: 'AWS::SSM::Parameter::Name'}", {"P": "/a"}, None),
        ("{Type: Strange}", {"P": "1"}, "Unrecognized parameter type: Strange"),
    ],
)
def test_a_parameter_outside_what_is_allowed_is_refused(declared, given, words):
    template = Template.read(f"Parameters: {{P: {declared}}}\nResources: {{A: {{Type: T}}}}")
    if words is None:
        assert resolve_parameters(template, given, str).values == given
        return
    with pytest.raises(TemplateError, match=words):
        resolve_parameters(template, given, str)


def test_a_reference_in_the_branch_not_taken_is_no_dependency():
    template = Template.read(HEADER % "!If [IsTest, !Ref Stage, !Ref Other]")
    parameters = resolve_parameters(template, {}, str)
    evaluation = Evaluation(template, parameters.values, PSEUDO)
    assert evaluation.references(template.resources["Thing"]) == set()


def test_the_order_of_creation_is_the_templates_where_needs_leave_it_open():
    needs = {"c": {"a"}, "b": set(), "a": set(), "d": {"c", "b"}}
    assert creation_order(needs) == ["b", "a", "c", "d"]


def test_json_and_yaml_of_one_template_are_the_same():
    json_text = '{"Resources": {"A": {"Type": "T", "Properties": {"V": {"Fn::Sub": "${B}"}}}}}'
    yaml_text = "Resources: {A: {Type: T, Properties: {V: !Sub '${B}'}}}"
    assert Template.read(json_text).resources == Template.read(yaml_text).resources

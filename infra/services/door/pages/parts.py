"""What the pages' templates share: macros, imported as `parts`."""

from __future__ import annotations

TEMPLATE = """\
{% macro csrf(token) %}<input type="hidden" name="csrf" value="{{ token }}">{% endmacro %}

{% macro problem(message) %}
{% if message %}<p class="problem" role="alert">{{ message }}</p>{% endif %}
{% endmacro %}

{# A fact of a list of facts: <dl class="facts">. #}
{% macro fact(name, value) %}<div><dt>{{ name }}</dt><dd>{{ value }}</dd></div>{% endmacro %}

{# Nothing is there yet: a sentence, and what to do. #}
{% macro empty(title, hint="") %}
<div class="panel empty"><p>{{ title }}</p>{% if hint %}<p>{{ hint }}</p>{% endif %}</div>
{% endmacro %}

{# A moment as text that a script turns into local time: <time>. #}
{% macro moment(at) %}<time datetime="{{ at | iso }}">{{ at | at }}</time>{% endmacro %}
"""

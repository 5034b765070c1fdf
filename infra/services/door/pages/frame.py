"""The frame of every page: its head, the menu, and who is signed in."""

from __future__ import annotations

TEMPLATE = """\
{% import "parts" as parts %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ title }} · {{ cohort }}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/{{ style }}">
{% if refresh %}
<noscript><meta http-equiv="refresh" content="{{ refresh }}"></noscript>
{% endif %}
{% if script %}
<script src="/assets/{{ script }}" defer></script>
{% endif %}
</head>
<body class="door">
{% if person %}
<a class="skip" href="#main">Skip the menu</a>
<header class="top">
<p class="brand"><a href="/">{{ cohort }}</a></p>
<nav aria-label="Pages"><ul>
{% for path, name in menu %}
<li><a href="{{ path }}"{% if path == here %} aria-current="page"{% endif %}>{{ name }}</a></li>
{% endfor %}
</ul></nav>
<form class="who" method="post" action="/sign-out">
{{ parts.csrf(csrf) }}<span><bdi>{{ person }}</bdi></span>
<button class="quiet">Sign out</button>
</form>
</header>
{% endif %}
<main id="main">
{{ body }}
</main>
</body>
</html>
"""

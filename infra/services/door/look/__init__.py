"""How pages look: style sheet, the one script, drawings."""

"""Who may come in: how somebody signs in, whose a session is, and what guards both."""

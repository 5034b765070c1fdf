"""The `cohort` command: what an admin and an advisor do, from the terminal."""

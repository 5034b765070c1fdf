"""What others wrote, as text that runs nothing."""

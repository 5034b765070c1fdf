"""What is promised of a cohort; `promised` is made to be read from top to bottom."""

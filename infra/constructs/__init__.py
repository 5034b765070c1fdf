"""The parts that the stacks share: stacks use constructs, constructs use the cohort."""

"""The cohort's stacks, one file each. They find each other by names, never by exports."""

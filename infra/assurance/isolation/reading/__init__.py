"""What the templates make: references resolved, policies found, and who calls whom."""

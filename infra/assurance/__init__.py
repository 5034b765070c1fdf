"""What is checked before a deploy; the embedded cloud shares its model of IAM."""

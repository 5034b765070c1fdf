"""Who is calling, what they ask for, and whether IAM lets them: the embedded cloud's front door."""

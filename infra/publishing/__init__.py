"""What the admin publishes for learners: sealed data, the library's wheel, project templates."""

"""Who in an account, outside the templates, can cross the fence around a cohort."""

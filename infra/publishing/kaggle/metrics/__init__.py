"""The metrics as Kaggle runs them: each module is copied to metric.py, and stands alone."""

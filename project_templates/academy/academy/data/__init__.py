"""Where scenes come from: drawn by a simulator, or observed by Sentinel-1."""

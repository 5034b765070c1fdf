"""What a role can set off beyond itself, and the contracts of whom that ends at."""

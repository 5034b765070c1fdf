"""The guard: nothing that bills starts without a reservation, and every end is settled."""

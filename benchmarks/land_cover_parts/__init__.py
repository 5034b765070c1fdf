"""The parts of `benchmarks.land_cover`: scenes, rivals, and what is counted of them."""

"""The mathematics, once: written with operators on flat vectors, so it holds for every backend."""

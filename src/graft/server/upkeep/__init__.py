"""Keeping a Hub in order: checking it, freeing space, copying it, counting what it holds."""

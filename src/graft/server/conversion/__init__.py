"""Weights that come as pickles only get a pull request with the same weights as safetensors."""

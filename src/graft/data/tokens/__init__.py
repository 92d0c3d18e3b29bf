"""From texts to tokens, labels of tokens, blocks, batches and epochs."""

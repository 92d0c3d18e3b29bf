"""Looking for what does harm: programs hidden in pickles, secrets in texts."""

"""Large files of repositories: sending, fetching, sharing and listing them."""

"""What people do on a Hub beside files: discuss, like, follow, collect, and be told of it."""

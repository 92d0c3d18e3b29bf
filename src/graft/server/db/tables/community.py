"""What people say to each other and keep about repositories."""

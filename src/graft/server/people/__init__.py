"""Who is asking, and what they may: accounts, organizations, tokens, sessions, gates."""

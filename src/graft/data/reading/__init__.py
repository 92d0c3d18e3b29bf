"""From what a user names to splits with types, roles and classes: a module a step."""

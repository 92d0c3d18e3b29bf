"""Data sets: Arrow tables with named label classes and column roles."""

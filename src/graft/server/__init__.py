"""The Hub: repositories of models and data sets, over git, LFS and HTTP, with web pages."""

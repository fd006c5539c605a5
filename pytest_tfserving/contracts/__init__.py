"""Contracts: what clients depend on, compared with what an export promises and a server says."""

# Files of this name are collected; pytest's hook for every file looks at no more.
SUFFIX = ".tfserving.toml"

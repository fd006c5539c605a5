"""Contracts: what clients depend on, compared with what an export promises and a server says."""

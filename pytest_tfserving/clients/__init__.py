"""REST and gRPC clients of a model server: the same calls, the same numpy results, the same errors.

Built from an Endpoint, never from a backend. `answers` holds what both give back besides arrays.
"""

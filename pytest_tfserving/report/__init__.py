"""Findings as text for people; the values come from contracts and golden."""

"""Faces: found, aligned and kept apart over time."""

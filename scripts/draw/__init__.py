"""Illustrations drawn by seeded code: subjects are lists of shapes, styles turn shapes into images."""

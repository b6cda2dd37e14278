"""Preprocessing layers: numbers, categories, text, sound and images."""

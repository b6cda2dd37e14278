"""Preprocessing layers: numbers, categories, text and images."""

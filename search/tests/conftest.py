from drive.conftest import files, library, outside, place

__all__ = ["files", "library", "outside", "place"]

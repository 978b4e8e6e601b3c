"""One image: from its file to what a network takes."""

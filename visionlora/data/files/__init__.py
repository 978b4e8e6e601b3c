"""What lies in a folder or an archive, and which kinds of files these are."""

"""Tables and other files of labels."""

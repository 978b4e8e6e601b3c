"""What is known of image files, kept from run to run."""

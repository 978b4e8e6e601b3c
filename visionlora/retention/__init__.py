"""What keeps the old knowledge: teacher, anchors, negatives, generated images, drift penalty."""

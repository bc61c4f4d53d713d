"""A scene, a detector for what moves in it, and the check of what it found: made on the spot, no download."""

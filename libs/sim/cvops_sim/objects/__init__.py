"""What moves: vehicles as small meshes, people and two-wheelers as jointed figures."""

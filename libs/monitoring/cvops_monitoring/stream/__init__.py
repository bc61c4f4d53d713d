"""One camera, one model: all signals watched together, from warm-up to alarm."""

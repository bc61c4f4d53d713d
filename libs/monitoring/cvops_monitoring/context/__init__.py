"""What is known to vary without being drift: the time of day, the light."""

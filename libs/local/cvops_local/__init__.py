"""The engines and services of `cvops up` on one machine: start, watch, restart, stop."""

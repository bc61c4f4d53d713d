"""Rollouts: a candidate's way to the cameras, decided by sequential tests on live evidence."""

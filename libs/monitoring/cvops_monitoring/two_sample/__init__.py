"""Two-sample tests and distances: they explain an alarm, they never raise one."""

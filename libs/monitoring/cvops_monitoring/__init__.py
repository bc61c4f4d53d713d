"""The statistics of monitoring: sequential alarms, two-sample explanations, camera health."""

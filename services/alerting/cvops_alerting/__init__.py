"""The alerting service: incidents, deliveries, and the episodes of the loop."""

"""Deliveries: messages to the people who must know."""

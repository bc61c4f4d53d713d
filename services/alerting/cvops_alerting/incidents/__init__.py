"""Incidents: which alarms belong together, and what becomes of them."""

"""What every service shares: events, bus, objects, documents, access, telemetry, settings, errors and the runner."""

"""Commands that speak to Kafka or to the key file; `cvops` finds them as plug-ins."""

"""The real engines, without Docker: Apache Kafka, MongoDB and a folder of objects."""

"""Programs that the connector is compared with, each run as a whole process."""

"""What the connector is compared with: programs of their own, run as whole processes, as it is."""

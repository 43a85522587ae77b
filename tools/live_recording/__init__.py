"""Records what the connector and Customer.io say to each other, scrubbed, and replays it against the local Track API."""

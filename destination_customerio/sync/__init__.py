"""A running `write`: the coordinator with its events, its timers, its log and its shutdown."""

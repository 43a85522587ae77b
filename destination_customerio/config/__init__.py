"""The configuration, and the form that `spec` describes."""

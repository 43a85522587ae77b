"""Which stream becomes which object, under which column names: decided once per sync."""

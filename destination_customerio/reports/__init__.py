"""Self-contained HTML reports of dry runs, rejected rows and replays."""

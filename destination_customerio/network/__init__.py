"""How the connector reaches other hosts: proxies, certificate authorities, and what a failed connection means."""

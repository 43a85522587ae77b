"""The Airbyte protocol: the catalog, messages in, messages out."""

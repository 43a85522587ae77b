"""The commands for people: `rejected` counts what lies in the bucket, `replay` sends it again."""

"""The commands for operators: `rejected` summarizes the dead letters in the bucket, `replay` sends them again."""
